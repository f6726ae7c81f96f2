"""Signatures, by the library that any receiver would verify them with, and the secret's rotation on moto."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from standardwebhooks import Webhook, WebhookVerificationError

from pipeline.callback_signature import SecretError, SigningKeys, signed, signing_key

OLD = base64.b64encode(b"o" * 33).decode()
NEW = base64.b64encode(b"n" * 33).decode()
BODY = json.dumps({"status": "SUCCEEDED", "labels": [{"name": "Café"}]}).encode()


def headers(*secrets: str, at: float | None = None, body: bytes = BODY) -> dict[str, str]:
    now = int(time.time() if at is None else at)
    return signed([signing_key(secret) for secret in secrets], message_id="Fv6kVG=", timestamp_s=now, body=body)


def test_the_standards_own_example_is_signed_as_it_says() -> None:
    # The specification's test vector, from its repository and the libraries made of it.
    keys = [signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    made = signed(
        keys, message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp_s=1_614_265_330, body=b'{"test": 2432232314}'
    )
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", [OLD, f"whsec_{OLD}"])
def test_the_standards_library_verifies_a_signature(secret: str) -> None:
    assert Webhook(secret).verify(BODY, headers(secret)) == json.loads(BODY)


@pytest.mark.parametrize("held", [OLD, NEW])
def test_during_a_rotation_a_receiver_may_hold_either_secret(held: str) -> None:
    assert Webhook(held).verify(BODY, headers(NEW, OLD)) == json.loads(BODY)


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({}, BODY + b" "),
        ({"webhook-id": "another"}, BODY),
        ({"webhook-timestamp": str(int(time.time()) + 1)}, BODY),
        ({"webhook-signature": "v1,AAAA"}, BODY),
    ],
    ids=["body", "id", "timestamp", "signature"],
)
def test_whatever_of_it_is_changed_the_signature_is_no_longer_of_it(change: dict[str, str], body: bytes) -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(body, headers(OLD) | change)


def test_another_secret_verifies_nothing() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(BODY, headers(OLD))


def test_a_delivery_is_too_old_for_the_library_after_five_minutes() -> None:
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(OLD).verify(BODY, headers(OLD, at=time.time() - 301))


@given(body=st.text().map(str.encode), key=st.binary(min_size=24, max_size=64))
def test_every_body_and_key_verifies(body: bytes, key: bytes) -> None:
    secret = base64.b64encode(key).decode()
    Webhook(secret).verify(body, headers(secret, body=body), json_parse=False)


@pytest.mark.parametrize("message_id", ["", "a.b", "a b", "a\r\nx: y", "caf\u00e9"])
def test_an_id_that_no_header_can_carry_is_not_signed(message_id: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII"):
        signed([b"k" * 24], message_id=message_id, timestamp_s=1, body=b"")


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "not base64!", base64.b64encode(b"k" * 23).decode(), base64.b64encode(b"k" * 65).decode(), "{}"],
)
def test_a_secret_that_is_no_key_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(SecretError, match="24 to 64 bytes") as caught:
        signing_key(secret)
    assert not secret or secret not in str(caught.value)


def test_the_secret_that_the_template_generates_is_a_key() -> None:
    assert len(signing_key("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR")) == 33


class Secrets:
    """A secret on moto, and how often it was asked for."""

    def __init__(self) -> None:
        self.client = boto3.client("secretsmanager", region_name="us-east-1")
        self.arn = self.client.create_secret(Name="callback", SecretString=OLD)["ARN"]
        self.asked: list[str] = []
        self.client.meta.events.register(
            "before-parameter-build.secrets-manager.GetSecretValue",
            lambda params, **_: self.asked.append(params["VersionStage"]),
        )

    def put(self, value: str) -> None:
        self.client.put_secret_value(SecretId=self.arn, SecretString=value)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Secrets]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with mock_aws():
        yield Secrets()


def test_before_the_first_rotation_there_is_one_key(secrets: Secrets) -> None:
    assert SigningKeys(secrets.client, secrets.arn).get() == (b"o" * 33,)


def test_after_a_rotation_the_new_key_signs_first_and_the_old_one_too(secrets: Secrets) -> None:
    secrets.put(NEW)
    assert SigningKeys(secrets.client, secrets.arn).get() == (b"n" * 33, b"o" * 33)


def test_the_keys_are_asked_for_again_after_five_minutes_and_not_before(secrets: Secrets) -> None:
    now = 1_000.0
    keys = SigningKeys(secrets.client, secrets.arn, clock=lambda: now)
    assert keys.get() == (b"o" * 33,)
    secrets.put(NEW)
    now += 299.9
    assert keys.get() == (b"o" * 33,)
    assert secrets.asked == ["AWSCURRENT", "AWSPREVIOUS"]
    now += 0.1
    assert keys.get() == (b"n" * 33, b"o" * 33)


def test_a_value_that_was_a_mistake_signs_nothing_once_it_is_put_right(secrets: Secrets) -> None:
    secrets.put("not a key")
    keys = SigningKeys(secrets.client, secrets.arn)
    with pytest.raises(SecretError):
        keys.get()
    secrets.put(NEW)
    assert keys.get() == (b"n" * 33,)


def test_keys_that_are_too_old_are_not_used_when_the_secret_cannot_be_had(secrets: Secrets) -> None:
    now = 1_000.0
    keys = SigningKeys(secrets.client, secrets.arn, clock=lambda: now)
    keys.get()
    secrets.client.delete_secret(SecretId=secrets.arn)
    now += 301
    with pytest.raises(ClientError):
        keys.get()


def test_a_denied_previous_version_is_an_error_and_not_a_missing_one(secrets: Secrets) -> None:
    def deny(params: dict[str, Any], **_: Any) -> None:
        if params["VersionStage"] == "AWSPREVIOUS":
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetSecretValue")

    secrets.client.meta.events.register("before-parameter-build.secrets-manager.GetSecretValue", deny)
    with pytest.raises(ClientError, match="AccessDenied"):
        SigningKeys(secrets.client, secrets.arn).get()
