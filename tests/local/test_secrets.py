"""The secrets of a template, as boto3 meets them."""

import asyncio
import json
import os
import string
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import pytest_asyncio
from botocore.exceptions import ClientError

from local.physical_names import PhysicalNames
from local.proxy import HttpProxy
from local.resource_properties import NotServedError
from local.server_process import ServerProcess
from local.storage.buckets import StorageError
from local.storage.secrets import make_secrets
from local.template import Resource, parse
from local.wire import WireRequest, WireResponse

# moto takes a second to start; all tests of the module share one.
pytestmark = pytest.mark.asyncio(loop_scope="module")


def secrets_of(*properties: str, stack: str = "forebay") -> list[Resource]:
    """The secrets of a template, each with these properties."""
    written = "".join(
        f"  Secret{number}: {{Type: 'AWS::SecretsManager::Secret', Properties: {{{text}}}}}\n"
        for number, text in enumerate(properties)
    )
    names = PhysicalNames(queue_base_url="http://127.0.0.1:1", stack=stack)
    return parse(f"Resources:\n{written}").resolve({}, names).of_type("AWS::SecretsManager::Secret")


@dataclass
class Manager:
    """moto, by way of ours and by boto3."""

    wire: HttpProxy
    _client: Any

    async def call(self, operation: str, **values: Any) -> Any:
        return await asyncio.to_thread(getattr(self._client, operation), **values)

    async def value(self, secret: Resource, **values: Any) -> str:
        answer = await self.call("get_secret_value", SecretId=secret.ref, **values)
        assert answer["ARN"] == secret.ref
        return str(answer["SecretString"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def manager() -> AsyncIterator[Manager]:
    moto = await ServerProcess.start("local.storage.moto_server", [], dict(os.environ), 60)
    wire = HttpProxy(moto.url)
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("secretsmanager", endpoint_url=moto.url, region_name="us-east-1", **credentials)
    yield Manager(wire, client)
    await wire.close()
    await moto.stop()


async def made(manager: Manager, *properties: str, stack: str) -> list[Resource]:
    """Each test has a stack of its own, and so secrets of its own."""
    secrets = secrets_of(*properties, stack=stack)
    await make_secrets(secrets, manager.wire)
    return secrets


@pytest.mark.parametrize(
    ("how", "length", "letters", "each"),
    [
        ("{PasswordLength: 44, ExcludePunctuation: true}", 44, string.ascii_letters + string.digits, 3),
        ("{}", 32, string.ascii_letters + string.digits + string.punctuation, 4),
        ("{PasswordLength: 9, ExcludeNumbers: 'true', ExcludeUppercase: true, ExcludePunctuation: true}",
         9, string.ascii_lowercase, 1),
        ("{PasswordLength: 5, ExcludeLowercase: true, IncludeSpace: true}",
         5, string.ascii_uppercase + string.digits + string.punctuation + " ", 4),
        ("{PasswordLength: 2, RequireEachIncludedType: false, ExcludeCharacters: '0123456789a'}",
         2, (string.ascii_letters + string.punctuation).replace("a", ""), 0),
    ],
    ids=["the callback's", "nothing said", "lower case", "a space", "not of each kind"],
)  # fmt: skip
async def test_a_generated_secret_is_as_the_template_asks(
    manager: Manager, how: str, length: int, letters: str, each: int
) -> None:
    stack = f"generated{length}"
    one, other = await made(manager, f"GenerateSecretString: {how}", f"GenerateSecretString: {how}", stack=stack)
    value = await manager.value(one)
    assert len(value) == length
    assert set(value) <= set(letters)
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation, " ")
    assert sum(bool(set(value) & set(kind)) for kind in kinds) >= each
    if length > 2:
        assert value != await manager.value(other), "drawn, not made of the name"


async def test_a_generated_secret_may_be_a_member_of_a_document(manager: Manager) -> None:
    how = """{SecretStringTemplate: '{"user": "me"}', GenerateStringKey: password, PasswordLength: 12}"""
    (secret,) = await made(manager, f"GenerateSecretString: {how}", stack="document")
    document = json.loads(await manager.value(secret))
    assert document.keys() == {"user", "password"}
    assert (document["user"], len(document["password"])) == ("me", 12)


async def test_a_secret_has_its_name_and_description_and_no_tag_of_ours(manager: Manager) -> None:
    named, bare = await made(manager, "Name: my/own-name, SecretString: abc, Description: d", "", stack="named")
    assert named.ref.startswith("arn:aws:secretsmanager:us-east-1:000000000000:secret:my/own-name-")
    assert len(named.ref.rpartition("-")[2]) == 6
    assert named.attributes["Id"] == named.ref
    described = await manager.call("describe_secret", SecretId="my/own-name")
    assert (described["ARN"], described["Description"], described.get("Tags", [])) == (named.ref, "d", [])
    assert await manager.value(named) == "abc"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        await manager.value(bare)
    assert (await manager.call("describe_secret", SecretId=bare.ref))["Name"] == "named-Secret1"


async def test_a_new_value_is_current_and_the_one_before_it_is_previous_until_the_next(manager: Manager) -> None:
    (secret,) = await made(manager, "GenerateSecretString: {}", stack="rotated")
    first = await manager.value(secret)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        await manager.value(secret, VersionStage="AWSPREVIOUS")
    before = first
    for new in ("second", "third"):
        await manager.call("put_secret_value", SecretId=secret.ref, SecretString=new)
        assert await manager.value(secret) == new
        assert await manager.value(secret, VersionStage="AWSCURRENT") == new
        assert await manager.value(secret, VersionStage="AWSPREVIOUS") == before
        before = new


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ("ReplicaRegions: []", "ReplicaRegions"),
        ("SecretString: a, GenerateSecretString: {}", "one of the two"),
        ("GenerateSecretString: {Length: 4}", "Length"),
        ("GenerateSecretString: {PasswordLength: 0}", "0 characters"),
        ("GenerateSecretString: {PasswordLength: 3}", "3 characters"),
        ("GenerateSecretString: {PasswordLength: 4097}", "4097 characters"),
        ("GenerateSecretString: {GenerateStringKey: a}", "only together"),
        ("GenerateSecretString: {GenerateStringKey: a, SecretStringTemplate: '[]'}", "no JSON object"),
        ("GenerateSecretString: {GenerateStringKey: a, SecretStringTemplate: '{'}", "no JSON object"),
        ("GenerateSecretString: {ExcludeUppercase: true, ExcludeLowercase: true, ExcludeNumbers: true, "
         "ExcludePunctuation: true}", "to choose from"),
    ],
)  # fmt: skip
async def test_what_cannot_be_served_is_refused_by_name(properties: str, named: str) -> None:
    class Nothing:
        async def handle(self, request: WireRequest) -> WireResponse:
            raise AssertionError("it was to be refused before")

    with pytest.raises(NotServedError, match=named):
        await make_secrets(secrets_of(properties), Nothing())


async def test_a_secret_that_cannot_be_made_is_told_without_its_value(manager: Manager) -> None:
    with pytest.raises(StorageError, match="Secret1 could not be made: CreateSecret: HTTP 400") as caught:
        await made(manager, "Name: twice, SecretString: hush", "Name: twice, SecretString: hush", stack="twice")
    assert "hush" not in str(caught.value)


async def test_a_value_that_was_drawn_is_drawn_once_for_a_server_that_is_started_again(manager: Manager) -> None:
    drawn: dict[str, str] = {}
    (first,) = secrets_of("GenerateSecretString: {}", stack="before")
    (second,) = secrets_of("GenerateSecretString: {}", stack="after")
    await make_secrets([first], manager.wire, drawn)
    await make_secrets([second], manager.wire, drawn)
    assert await manager.value(first) == await manager.value(second) == drawn["Secret0"]
