"""The identities that the embedded AWS knows: users of its account, with an access key each."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# IAM identifiers (IAM User Guide): an id of a user begins with AIDA, and is never given to another.
_USER_ID_PREFIX = "AIDA"
_USER_ID_LETTERS = 17


@dataclass(frozen=True, slots=True)
class Identity:
    """An IAM principal by one of its access keys.

    `caller` is the principal's unique id, for an assumed role with `:SESSION` behind it; `session_token` is of
    temporary credentials.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    account: str
    caller: str
    arn: str
    session_token: str | None = field(default=None, repr=False)

    @classmethod
    def user(cls, name: str, account: str) -> "Identity":
        """A user, named alike in all: its name is its access key's id and its secret too.

        No secret of this machine is kept by that. Whoever can reach the port can reach the tables behind it.
        """
        digest = base64.b32encode(hashlib.sha256(f"{account}/{name}".encode()).digest()).decode("ascii")
        return cls(
            access_key_id=name,
            secret_access_key=name,
            account=account,
            caller=_USER_ID_PREFIX + digest[:_USER_ID_LETTERS],
            arn=f"arn:aws:iam::{account}:user/{name}",
        )

    def context(self) -> dict[str, str]:
        """What of `$context.identity` it fills. `caller` and `user` are the same where nobody acts for another."""
        return {
            "accessKey": self.access_key_id,
            "accountId": self.account,
            "caller": self.caller,
            "user": self.caller,
            "userArn": self.arn,
        }


def by_access_key(identities: Iterable[Identity]) -> Mapping[str, Identity]:
    """Identities by the ids of their access keys.

    Raises:
        ValueError: two have the same.
    """
    found: dict[str, Identity] = {}
    for identity in identities:
        if identity.access_key_id in found:
            raise ValueError(f"there are two identities with the access key {identity.access_key_id}")
        found[identity.access_key_id] = identity
    return found
