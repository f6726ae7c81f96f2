"""The identities of the embedded AWS: what each shows, and that it is let in by it."""

import pytest

from local.authentication.access import Access
from local.authentication.callers import Demand
from local.authentication.identities import Identity
from local.authentication.refusal import NotAuthenticatedError
from local.physical_names import PhysicalNames
from local.wire import WireRequest
from tests.authentication.signed import NOW, signed
from tests.authentication.test_api_keys import resources

NAMES = PhysicalNames(queue_base_url="http://127.0.0.1:1")
BOTH = Demand(signed=True, keyed=True)


def shown_by(variables: dict[str, str]) -> WireRequest:
    """A request with what an identity's variables have."""
    identity = Identity(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], "", "", "")
    return signed(identity, region=NAMES.region, headers={"x-api-key": variables["FOREBAY_API_KEY"]})


def test_each_identity_is_let_in_by_its_own_variables_and_is_known_by_ids_of_its_own() -> None:
    access = Access(resources(), NAMES, ["alice", "bob"])
    callers = access.to_stage("api1", "live")

    known = [
        callers.identify(shown_by(variables), BOTH, NOW)
        for variables in (access.own_variables, *access.variables.values())
    ]

    assert [each["accessKey"] for each in known] == ["forebay-local", "alice", "bob"]
    for name in ("caller", "userArn", "apiKeyId", "apiKey"):
        assert len({each[name] for each in known}) == 3, name
    assert known[1] == known[1] | {
        "accountId": "000000000000",
        "userArn": "arn:aws:iam::000000000000:user/alice",
        "user": known[1]["caller"],
    }
    assert known[1]["caller"].startswith("AIDA")
    assert len(known[1]["caller"]) == 21


def test_without_a_key_in_the_template_there_is_none_to_show() -> None:
    access = Access({}, NAMES, ["alice"])

    assert "FOREBAY_API_KEY" not in access.own_variables | access.variables["alice"]


def test_a_key_of_another_stage_lets_nobody_in() -> None:
    access = Access(resources(), NAMES, ["alice"])

    with pytest.raises(NotAuthenticatedError, match="Forbidden"):
        access.to_stage("api1", "test").identify(shown_by(access.variables["alice"]), BOTH, NOW)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é", "a" * 65, "x=y"])
def test_a_name_that_a_header_or_an_arn_would_not_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no identity's name"):
        Access({}, NAMES, [name])


def test_a_name_may_be_given_once_and_not_that_of_the_first() -> None:
    for names in (["alice", "alice"], ["forebay-local"]):
        with pytest.raises(ValueError, match="two identities"):
            Access({}, NAMES, names)
