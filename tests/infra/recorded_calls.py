"""What code calls of AWS, recorded where botocore sends it, as the actions and resources that IAM would ask for."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

from botocore import xform_name
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from local.template import ResolvedStack

Rights = dict[str, set[str]]

# A connection that is not there any more.
GONE: Final = "gone"
# What says which resource a call is for.
_TARGETS: Final = ("TableName", "QueueUrl", "TopicArn", "StreamName", "Bucket", "SecretId")


def merged(*several: Mapping[str, set[str]]) -> Rights:
    """All that several lists of rights have."""
    rights: Rights = defaultdict(set)
    for each in several:
        for action, resources in each.items():
            rights[action] |= resources
    return dict(rights)


class RecordedCalls:
    """Calls from whatever client and thread. Those to Rekognition and to connections end here, all others go on.

    `operations` are the client's methods that were called.
    """

    def __init__(self, stack: ResolvedStack) -> None:
        self._account = stack.resources["Topic"].ref.split(":")[4]
        self._arns = {resource.ref: resource.attributes.get("Arn") or resource.ref for resource in deployed(stack)}
        self._rights: Rights = defaultdict(set)
        self.operations: set[str] = set()

    @property
    def rights(self) -> Rights:
        """The actions, each with the resources that it was called for."""
        return dict(self._rights)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record what is called meanwhile."""
        send = BaseClient._make_api_call

        def record(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            self.operations.add(xform_name(operation))
            match client.meta.service_model.service_name:
                case "rekognition":
                    return self._detect_labels(operation, parameters)
                case "apigatewaymanagementapi":
                    return self._post(operation, client.meta.endpoint_url, parameters["ConnectionId"])
                case service:
                    (target,) = (parameters[name] for name in _TARGETS if name in parameters)
                    below = "/*" if service == "s3" else ""
                    self._rights[f"{service}:{operation}"].add(self._arns[target] + below)
                    return send(client, operation, parameters)

        with patch.object(BaseClient, "_make_api_call", record):
            yield

    def _detect_labels(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        self._rights[f"rekognition:{operation}"].add("*")
        if "S3Object" in parameters["Image"]:
            # Rekognition reads it with its caller's rights.
            bucket = parameters["Image"]["S3Object"]["Bucket"]
            self._rights["s3:GetObject"].add(f"{self._arns[bucket]}/*")
        return {"Labels": [], "LabelModelVersion": "none"}

    def _post(self, operation: str, endpoint: str, connection_id: str) -> Mapping[str, Any]:
        assert operation == "PostToConnection"
        stage = re.fullmatch(r"https://(\w+)\.execute-api\.([\w-]+)\.amazonaws\.com/(\w+)", endpoint)
        assert stage is not None
        api = f"arn:aws:execute-api:{stage[2]}:{self._account}:{stage[1]}/{stage[3]}"
        self._rights["execute-api:ManageConnections"].add(f"{api}/POST/@connections/*")
        if connection_id == GONE:
            raise ClientError({"ResponseMetadata": {"HTTPStatusCode": 410}}, operation)  # type: ignore[typeddict-item]
        return {}


def deployed(stack: ResolvedStack) -> Iterator[Any]:
    """The resources that code calls by their Ref."""
    kinds = ("DynamoDB::Table", "Kinesis::Stream", "S3::Bucket", "SecretsManager::Secret", "SNS::Topic", "SQS::Queue")
    return (resource for kind in kinds for resource in stack.of_type(f"AWS::{kind}"))
