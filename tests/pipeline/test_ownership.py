"""Owners: one text for a caller, the same by a function and by the gateway's template."""

from pathlib import Path
from typing import Any

import pytest

from local.gateway.mapping_template import Input, MappingTemplate
from local.gateway.payload import Payload
from local.template import load
from pipeline.ownership import owner_of

TEMPLATE = MappingTemplate(
    load(Path(__file__).parents[2] / "infra.yaml").document["Mappings"]["Caller"]["Owner"]["Vtl"] + "\n$owner"
)

OWNERS = [
    ({"caller": "AIDACKCEVSQ6C2EXAMPLE"}, "iam:AIDACKCEVSQ6C2EXAMPLE", "a user"),
    ({"caller": "AIDACKCEVSQ6C2EXAMPLE", "apiKeyId": "k1"}, "iam:AIDACKCEVSQ6C2EXAMPLE", "who signs goes before a key"),
    ({"caller": "AROADBQP57FF2AEXAMPLE:deploy"}, "iam:AROADBQP57FF2AEXAMPLE", "a role, whatever its session"),
    ({"caller": "AROADBQP57FF2AEXAMPLE:a@b.c"}, "iam:AROADBQP57FF2AEXAMPLE", "a role, whatever its session"),
    ({"caller": "123456789012"}, "iam:123456789012", "the account's root"),
    ({"caller": "123456789012:jane"}, "iam:123456789012:jane", "a federated user, who is none of the root's sessions"),
    ({"caller": "123456789012:j@body"}, "iam:123456789012:j*body", "no place in a record"),
    ({"apiKeyId": "a1b2c3d4e5"}, "key:a1b2c3d4e5", "a key"),
    ({"apiKeyId": None, "caller": None}, None, "nobody"),
    ({"sourceIp": "127.0.0.1"}, None, "nobody"),
]


@pytest.mark.parametrize(("identity", "owner", "why"), OWNERS)
def test_owner_of(identity: dict[str, Any], owner: str | None, why: str) -> None:
    assert owner_of(identity) == owner, why


@pytest.mark.parametrize(("identity", "owner", "why"), OWNERS)
def test_the_gateways_template_has_the_same(identity: dict[str, Any], owner: str | None, why: str) -> None:
    rendered = TEMPLATE.render(Input(Payload(b"{}")), {"identity": identity}, {})

    assert rendered.strip() == (owner or ""), why
