"""The tables and buckets of a stack, made in moto."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from local.resource_properties import read
from local.template import Resource
from local.wire import WireRequest, WireResponse, WireService

_AS_IN_THE_API: Final = (
    "TableName", "AttributeDefinitions", "KeySchema", "BillingMode", "ProvisionedThroughput", "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
)  # fmt: skip


class StorageError(Exception):
    """moto refused to make a table or a bucket; the text has what it answered."""


async def make_table(resource: Resource, dynamodb: WireService) -> None:
    """Make the table of an `AWS::DynamoDB::Table`.

    Raises:
        NotServedError: it has a property that is not served.
        StorageError: it could not be made.
    """
    properties = read(
        resource,
        heeded=(*_AS_IN_THE_API, "TimeToLiveSpecification"),
        harmless=("PointInTimeRecoverySpecification", "SSESpecification", "Tags", "DeletionProtectionEnabled"),
    )
    table = {name: properties[name] for name in _AS_IN_THE_API if name in properties}
    await _dynamodb(dynamodb, resource, "CreateTable", {**table, "TableName": resource.ref})
    if "TimeToLiveSpecification" in properties:
        ttl = dict(properties["TimeToLiveSpecification"])
        await _dynamodb(
            dynamodb, resource, "UpdateTimeToLive", {"TableName": resource.ref, "TimeToLiveSpecification": ttl}
        )


async def make_bucket(resource: Resource, s3: WireService) -> None:
    """Make the bucket of an `AWS::S3::Bucket`. Who may read it and how long it keeps things is not enforced.

    Raises:
        StorageError: it could not be made.
    """
    _check(await s3.handle(WireRequest("PUT", f"/{resource.ref}")), resource)


async def _dynamodb(dynamodb: WireService, resource: Resource, operation: str, values: Mapping[str, Any]) -> None:
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": f"DynamoDB_20120810.{operation}",
    }
    _check(await dynamodb.handle(WireRequest("POST", "/", headers=headers, body=json.dumps(values).encode())), resource)


def _check(answer: WireResponse, resource: Resource) -> None:
    if answer.status >= 300:
        text = answer.body[:500].decode("utf-8", "replace")
        raise StorageError(f"{resource.logical_id} could not be made: HTTP {answer.status}: {text}")


async def make_all(tables: Sequence[Resource], buckets: Sequence[Resource], moto: WireService) -> None:
    """Make all tables and buckets of a stack."""
    for table in tables:
        await make_table(table, moto)
    for bucket in buckets:
        await make_bucket(bucket, moto)
