"""The image bucket, for a function that stores an image which is too large for a buffer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from pipeline.client_config import few_retries

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client

    from pipeline.on_demand import OnDemand

_ATTEMPTS: Final = 3
_CONNECT_TIMEOUT_S: Final = 2
_READ_TIMEOUT_S: Final = 5


@dataclass(frozen=True, slots=True)
class ImageBucket:
    """The image bucket of the stack, by its name."""

    client: "OnDemand[S3Client]"
    bucket: str

    def put(self, key: str, data: bytes) -> None:
        """Store an image.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: the bucket did not take it.
        """
        self.client.get().put_object(Bucket=self.bucket, Key=key, Body=data)


def s3_client(session: "Session") -> "S3Client":
    """A client whose few retries end while whoever uploads still waits."""
    config = few_retries(attempts=_ATTEMPTS, connect_timeout_s=_CONNECT_TIMEOUT_S, read_timeout_s=_READ_TIMEOUT_S)
    return cast("S3Client", session.create_client("s3", config=config))
