"""A table as the template declares it: an `AWS::DynamoDB::Table`."""

from collections.abc import Iterable, Mapping
from typing import Any

from local.dynamodb.table import Index, KeySchema, Table
from local.resource_properties import read
from local.template import Resource


def table_of(name: str, resource: Resource) -> Table:
    """The table that a resource declares, empty.

    Raises:
        NotServedError: it has a property that is not served here.
    """
    properties = read(
        resource,
        heeded=("TableName", "AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes"),
        # Neither throughput nor expiry is played: a table on demand takes 4,000 writes a second at once, and expiry
        # takes DynamoDB up to days.
        harmless=(
            *("ProvisionedThroughput", "TimeToLiveSpecification", "PointInTimeRecoverySpecification"),
            *("SSESpecification", "Tags", "DeletionProtectionEnabled", "TableClass"),
        ),
    )
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in properties["AttributeDefinitions"]}
    schema = _schema(properties["KeySchema"], types)
    indexes = {}
    for entry in properties.get("GlobalSecondaryIndexes", ()):
        own = _schema(entry["KeySchema"], types)
        projection = entry.get("Projection", {})
        projected = None
        if projection.get("ProjectionType", "ALL") != "ALL":
            projected = frozenset((*schema.names, *own.names, *projection.get("NonKeyAttributes", ())))
        indexes[entry["IndexName"]] = Index(own, projected)
    return Table(name, schema, indexes)


def description_of(table: Table, resource: Resource, created_at: float) -> dict[str, Any]:
    """What DescribeTable says of it; `created_at` in seconds since the epoch."""
    properties = resource.properties
    return {
        "TableName": table.name,
        "TableArn": resource.attributes["Arn"],
        "TableStatus": "ACTIVE",
        "CreationDateTime": created_at,
        "ItemCount": len(table),
        "AttributeDefinitions": properties["AttributeDefinitions"],
        "KeySchema": properties["KeySchema"],
        "BillingModeSummary": {"BillingMode": properties.get("BillingMode", "PROVISIONED")},
        "GlobalSecondaryIndexes": [
            {**index, "IndexStatus": "ACTIVE"} for index in properties.get("GlobalSecondaryIndexes", ())
        ],
    }


def _schema(entries: Iterable[Mapping[str, str]], types: Mapping[str, str]) -> KeySchema:
    by_role = {entry["KeyType"]: entry["AttributeName"] for entry in entries}
    return KeySchema(by_role["HASH"], by_role.get("RANGE"), types)
