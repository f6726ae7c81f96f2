"""How a callback is signed: Standard Webhooks (https://www.standardwebhooks.com), symmetric signatures, version 1.

    webhook-id          the request's id: what a receiver knows a repeated delivery by
    webhook-timestamp   s since the epoch, of this attempt: what it knows a replayed one by
    webhook-signature   v1,BASE64 of HMAC-SHA256 over ID.TIMESTAMP.BODY, one for each key, with a space between

The key is a secret's text, decoded from base64; `whsec_` may stand before it. To rotate it, put a new value into the
secret: what was current is then previous, and both sign until the next value is put. Receivers need only know one.
"""

import base64
import binascii
import hashlib
import hmac
import threading
import time
from typing import TYPE_CHECKING, Final, cast

from botocore.exceptions import ClientError

from pipeline.client_config import few_retries
from pipeline.client_error import code_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from botocore.session import Session
    from mypy_boto3_secretsmanager import SecretsManagerClient

_PREFIX: Final = "whsec_"
# The specification's bounds: 192 to 512 bits.
_SHORTEST_KEY: Final = 24
_LONGEST_KEY: Final = 64
# How long a rotation may take to be seen everywhere.
_KEPT_S: Final = 300.0


class SecretError(Exception):
    """A secret that is no signing key; the text says what one is, and never repeats it."""


def signed(keys: "Sequence[bytes]", *, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The headers that sign a body: with every key, the first one first.

    Raises:
        ValueError: the id cannot stand in a header, or would make two messages of one signature.
    """
    # A dot is what separates it from the timestamp in what is signed.
    if not message_id or not all("!" <= letter <= "~" and letter != "." for letter in message_id):
        raise ValueError(f"the id {message_id[:100]!r} is not of visible ASCII without dots")
    content = b"%s.%d.%s" % (message_id.encode("ascii"), timestamp_s, body)
    signatures = (hmac.new(key, content, hashlib.sha256).digest() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(each).decode('ascii')}" for each in signatures),
    }


def signing_key(secret: str) -> bytes:
    """The key that a secret's text stands for.

    Raises:
        SecretError: it stands for none.
    """
    try:
        key = base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise SecretError(
            f"the secret is not the base64 of a key of {_SHORTEST_KEY} to {_LONGEST_KEY} bytes: put one as its value, "
            "such as 44 letters and digits"
        )
    return key


def secrets_client(session: "Session") -> "SecretsManagerClient":
    """A client whose few retries end well inside a function's time."""
    return cast("SecretsManagerClient", session.create_client("secretsmanager", config=few_retries()))


class SigningKeys:
    """The keys of a secret of Secrets Manager, asked for anew every five minutes, by any number of threads.

    `clock` is monotonic, in seconds.
    """

    def __init__(
        self, client: "SecretsManagerClient", secret_arn: str, *, clock: "Callable[[], float]" = time.monotonic
    ) -> None:
        self._client = client
        self._arn = secret_arn
        self._clock = clock
        self._keys: tuple[bytes, ...] = ()
        self._until = 0.0
        self._asking = threading.Lock()

    def get(self) -> tuple[bytes, ...]:
        """The current key, and behind it the previous one, if there is one.

        Raises:
            SecretError: the current value is no key.
            botocore.exceptions.BotoCoreError, ClientError: Secrets Manager did not answer. Keys that are known but too
                old are not taken instead: after a leak they would go on signing.
        """
        with self._asking:
            if not self._keys or self._clock() >= self._until:
                self._keys = (signing_key(self._value("AWSCURRENT")), *self._previous())
                self._until = self._clock() + _KEPT_S
            return self._keys

    def _previous(self) -> tuple[bytes, ...]:
        try:
            return (signing_key(self._value("AWSPREVIOUS")),)
        except ClientError as error:
            # So it says of a stage that no version has, which is every secret before its first rotation.
            if code_of(error) != "ResourceNotFoundException":
                raise
        except SecretError:
            # A mistake that was put right by another value: nobody verifies with it.
            pass
        return ()

    def _value(self, stage: str) -> str:
        return self._client.get_secret_value(SecretId=self._arn, VersionStage=stage).get("SecretString", "")
