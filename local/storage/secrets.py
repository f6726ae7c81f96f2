"""The secrets of a stack, made in moto."""

import asyncio
import json
import random
import string
from collections.abc import Mapping, Sequence
from typing import Any, Final

from local.gateway.configuration import truth
from local.resource_properties import NotServedError, read
from local.storage.buckets import StorageError
from local.template import Resource
from local.wire import WireRequest, WireService

# AWS::SecretsManager::Secret GenerateSecretString.
_LENGTH: Final = 32
_LONGEST: Final = 4_096
_KINDS: Final[Mapping[str, str]] = {
    "ExcludeUppercase": string.ascii_uppercase,
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
}
_GENERATION: Final = frozenset(
    {
        *_KINDS, "ExcludeCharacters", "GenerateStringKey", "IncludeSpace", "PasswordLength", "RequireEachIncludedType",
        "SecretStringTemplate",
    }
)  # fmt: skip
# A secret is drawn from the system's own randomness: no seed of a run may give it away.
_RANDOM: Final = random.SystemRandom()
# What moto takes the end of an ARN from, if there is such a tag; it is taken off afterwards.
_ARN_TAG: Final = "_custom_id_"


async def make_secrets(
    secrets: Sequence[Resource], secrets_manager: WireService, drawn: dict[str, str] | None = None
) -> None:
    """Make the secret of each `AWS::SecretsManager::Secret`, with its value if it has one.

    Values that are generated are put into `drawn` by logical id; those that stand there already are taken, so that a
    server that was started again has the secrets of the one before.

    Raises:
        NotServedError: one has a property that is not served.
        StorageError: one could not be made.
    """
    values = {} if drawn is None else drawn
    await asyncio.gather(*(_make(secret, secrets_manager, values) for secret in secrets))


async def _make(secret: Resource, secrets_manager: WireService, drawn: dict[str, str]) -> None:
    properties = read(
        secret,
        heeded=("Name", "Description", "SecretString", "GenerateSecretString"),
        # Encryption at rest, and who may read it, are not enforced; tags are not played.
        harmless=("KmsKeyId", "Tags"),
    )
    name, _, ending = secret.ref.rpartition(":secret:")[2].rpartition("-")
    request: dict[str, Any] = {"Name": name, "Tags": [{"Key": _ARN_TAG, "Value": ending}]}
    if "Description" in properties:
        request["Description"] = properties["Description"]
    if "GenerateSecretString" in properties:
        if "SecretString" in properties:
            raise NotServedError(secret.logical_id, "it has a SecretString and is to generate one: give one of the two")
        if secret.logical_id not in drawn:
            drawn[secret.logical_id] = _generated(secret.logical_id, properties["GenerateSecretString"])
        request["SecretString"] = drawn[secret.logical_id]
    elif "SecretString" in properties:
        request["SecretString"] = properties["SecretString"]
    await _call(secret, secrets_manager, "CreateSecret", request)
    await _call(secret, secrets_manager, "UntagResource", {"SecretId": secret.ref, "TagKeys": [_ARN_TAG]})


async def _call(secret: Resource, secrets_manager: WireService, operation: str, body: Mapping[str, Any]) -> None:
    region = secret.ref.split(":")[3]
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": f"secretsmanager.{operation}",
        "authorization": f"AWS4-HMAC-SHA256 Credential=local/20250101/{region}/secretsmanager/aws4_request, "
        "SignedHeaders=host, Signature=0",
    }
    answer = await secrets_manager.handle(WireRequest("POST", "/", "", headers, json.dumps(body).encode()))
    if answer.status != 200:
        # Not what was sent: it may have the secret in it.
        text = answer.body[:500].decode("utf-8", "replace")
        raise StorageError(f"{secret.logical_id} could not be made: {operation}: HTTP {answer.status}: {text}")


def _generated(logical_id: str, how: Mapping[str, Any]) -> str:
    """A value as GenerateSecretString asks for it."""
    if unknown := sorted(set(how) - _GENERATION):
        raise NotServedError(logical_id, f"GenerateSecretString has no {', '.join(unknown)}")
    key, template = how.get("GenerateStringKey"), how.get("SecretStringTemplate")
    if (key is None) != (template is None):
        raise NotServedError(logical_id, "GenerateStringKey and SecretStringTemplate are of use only together")
    password = _password(logical_id, how)
    if template is None:
        return password
    try:
        document = json.loads(template)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise NotServedError(logical_id, "SecretStringTemplate is no JSON object")
    return json.dumps({**document, str(key): password})


def _password(logical_id: str, how: Mapping[str, Any]) -> str:
    length = int(how.get("PasswordLength", _LENGTH))
    excluded = set(str(how.get("ExcludeCharacters", "")))
    kinds = [letters for name, letters in _KINDS.items() if not truth(how.get(name))]
    if truth(how.get("IncludeSpace")):
        kinds.append(" ")
    allowed = [kept for letters in kinds if (kept := [letter for letter in letters if letter not in excluded])]
    required = allowed if truth(how.get("RequireEachIncludedType", True)) else []
    if not allowed or not max(1, len(required)) <= length <= _LONGEST:
        raise NotServedError(
            logical_id,
            f"no secret of {length} characters can be made of what GenerateSecretString leaves to choose from",
        )
    every = [letter for letters in allowed for letter in letters]
    drawn = [_RANDOM.choice(letters) for letters in required]
    drawn += _RANDOM.choices(every, k=length - len(drawn))
    _RANDOM.shuffle(drawn)
    return "".join(drawn)
