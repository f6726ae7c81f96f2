"""The buckets of a stack, made in moto."""

from collections.abc import Sequence

from local.template import Resource
from local.wire import WireRequest, WireService


class StorageError(Exception):
    """moto refused to make a bucket or a secret; the text has what it answered."""


async def make_buckets(buckets: Sequence[Resource], s3: WireService) -> None:
    """Make the bucket of each `AWS::S3::Bucket`. Who may read it and how long it keeps things is not enforced.

    Raises:
        StorageError: one could not be made.
    """
    for bucket in buckets:
        answer = await s3.handle(WireRequest("PUT", f"/{bucket.ref}"))
        if answer.status >= 300:
            text = answer.body[:500].decode("utf-8", "replace")
            raise StorageError(f"{bucket.logical_id} could not be made: HTTP {answer.status}: {text}")
