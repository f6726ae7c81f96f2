"""Images that are referred to by bucket and key."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.rekognition.detect_labels import MAX_STORED_BYTES

if TYPE_CHECKING:
    from local.rekognition.detect_labels import S3Object


class StoredImages:
    """Reads images from the S3 at an address."""

    def __init__(self, endpoint: str) -> None:
        # The embedded S3 takes any credentials; these keep boto3 from looking for real ones.
        self._s3 = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106
            config=Config(max_pool_connections=32, s3={"addressing_style": "path"}),
        )

    async def fetch(self, place: "S3Object") -> bytes:
        """The object's bytes; of a larger one than the service takes only so many that this is seen.

        Raises:
            LookupError: there is no such object.
        """
        return await asyncio.to_thread(self._fetch, place)

    def _fetch(self, place: "S3Object") -> bytes:
        try:
            with contextlib.closing(self._s3.get_object(Bucket=place.bucket, Key=place.key)["Body"]) as body:
                return body.read(MAX_STORED_BYTES + 1)
        except ClientError as error:
            raise LookupError(f"{place.bucket}/{place.key}: {error}") from None
