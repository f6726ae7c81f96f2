"""Letters in a bucket: the failure records of a stream's mapping, an object a batch.

Beside them lies the journal: for an object of which only some requests were sent, an object under JOURNAL and its own
key that names them. The bucket lets both expire. An object goes with its last request, and its journal after it.
"""

import json
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.failure_record import from_mapping
from producers.redrive.letter import Letter, read_requests, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_s3 import S3Client

    from pipeline.failure_record import CarriedRecord, FailureRecord
    from producers.redrive.shard_reader import ShardReader

JOURNAL: Final = "forebay-redrive/"
# docs: kinesis-on-failure-destination, the keys of the objects that a mapping writes.
MAPPING_PREFIX: Final = "aws/lambda/"

# An invocation takes 6 MB, of which every character may be written as two in the text that is a payload.
_LARGEST_OBJECT: Final = 16 * 1024 * 1024
# Read together, to be looked up, sent and removed in few calls, and few enough to be held in memory.
_OBJECTS_TOGETHER: Final = 25
_BYTES_TOGETHER: Final = 16 * 1024 * 1024


class FailureBucket:
    """A bucket of failure records. Where a record has no payload, its records are read from the stream by `shards`."""

    keeps_notes = True
    # It is listed once, before the first letter is given out.
    grows = False

    def __init__(self, client: "S3Client", bucket: str, shards: "ShardReader") -> None:
        self._client = client
        self._bucket = bucket
        self._shards = shards
        self._objects: dict[str, int] = {}
        self._journals: set[str] = set()

    def count(self) -> int:
        """Objects, without the journal."""
        self._list()
        return len(self._objects)

    def letters(self) -> "Iterator[Sequence[Letter]]":
        """All objects, the oldest of a shard first."""
        self._list()
        together: list[Letter] = []
        size = 0
        for key, length in self._objects.items():
            letter = self._read(key, length)
            if letter is None:
                continue
            together.append(letter)
            size += sum(len(request.record) for request in letter.requests)
            if len(together) == _OBJECTS_TOGETHER or size >= _BYTES_TOGETHER:
                yield together
                together, size = [], 0
        if together:
            yield together

    def unseen(self) -> int:
        """Nothing hides in a bucket."""
        return 0

    def note(self, letter: "Letter", sent: frozenset[str]) -> None:
        """Write the journal of an object.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: the bucket did not take it.
        """
        body = json.dumps({"letter": letter.name, "sent": sorted(sent)}).encode()
        self._client.put_object(Bucket=self._bucket, Key=JOURNAL + letter.name, Body=body)
        self._journals.add(letter.name)

    def remove(self, letters: "Sequence[Letter]") -> dict[str, str]:
        """Delete objects, then their journals."""
        failed = self._delete([letter.name for letter in letters])
        journals = [letter.name for letter in letters if letter.name in self._journals and letter.name not in failed]
        # A journal without its object says nothing of anything, and expires.
        self._delete([JOURNAL + name for name in journals])
        return failed

    def release(self) -> None:
        """Reading holds nothing."""

    def _list(self) -> None:
        self._objects, self._journals = {}, set()
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
            for entry in page.get("Contents", ()):
                if entry["Key"].startswith(JOURNAL):
                    self._journals.add(entry["Key"].removeprefix(JOURNAL))
                else:
                    self._objects[entry["Key"]] = entry["Size"]

    def _read(self, key: str, size: int) -> Letter | None:
        if not key.startswith(MAPPING_PREFIX):
            return _foreign(key, f"its key does not begin with {MAPPING_PREFIX}, as those of Lambda's records do")
        if size > _LARGEST_OBJECT:
            return _foreign(key, f"it has {size:,} bytes, more than a record of Lambda's can")
        body = self._get(key)
        if body is None:
            return None
        failure = from_mapping(body)
        if failure.condition is None:
            return _foreign(key, f"it is no record of Lambda's: {body[:80].decode('utf-8', 'replace')}")
        carried, missing = self._records(failure)
        requests, problems = read_requests(carried)
        if missing is not None:
            problems.append(missing)
        elif not carried:
            problems.append("it holds no records, and does not say where they lay")
        return Letter(
            name=key,
            handle=key,
            requests=requests,
            condition=failure.condition,
            error=failure.error,
            tries=failure.tries,
            given_up_at=failure.given_up_at,
            problems=problems,
            sent=self._journal(key),
        )

    def _records(self, failure: "FailureRecord") -> "tuple[Sequence[CarriedRecord], str | None]":
        if failure.records or failure.shard_range is None:
            return failure.records, None
        return self._shards.read(failure.shard_range)

    def _journal(self, key: str) -> frozenset[str]:
        if key not in self._journals:
            return frozenset()
        body = self._get(JOURNAL + key)
        try:
            sent = json.loads(body or b"")["sent"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return frozenset()
        return frozenset(each for each in sent if isinstance(each, str)) if isinstance(sent, list) else frozenset()

    def _get(self, key: str) -> bytes | None:
        """An object, None if it is gone: expired, or removed by another replay."""
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None

    def _delete(self, keys: "Sequence[str]") -> dict[str, str]:
        if not keys:
            return {}
        try:
            answer = self._client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
        except (BotoCoreError, ClientError) as error:
            return dict.fromkeys(keys, str(error))
        return {
            entry["Key"]: f"{entry.get('Code', '')}: {entry.get('Message', '')}" for entry in answer.get("Errors", ())
        }


def _foreign(key: str, problem: str) -> Letter:
    return Letter(name=key, handle=key, requests=(), problems=(shown(problem),))
