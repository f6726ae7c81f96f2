"""The names CloudFormation would give a stack's resources: what `Ref` and `Fn::GetAtt` answer for each type."""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.gateway.configuration import truth

# The longest physical name of any of these services (an S3 bucket's); CloudFormation cuts longer ones too.
_MAXIMUM_LENGTH: Final = 63
# API:CreateQueue: what the name of a FIFO queue has to end in; CloudFormation puts it there.
_FIFO: Final = ".fifo"
# Whose everything is.
ACCOUNT: Final = "000000000000"
# Seconds since the epoch, a part of a stream consumer's ARN.
_REGISTERED_AT: Final = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Identity:
    """What a resource is known by. `ref` is what `Ref` gives, `attributes` what `Fn::GetAtt` gives."""

    ref: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PhysicalNames:
    """Names for one stack, made from its own name alone, so that the same stack is named the same every time.

    `queue_base_url` is where SQS answers; a queue's URL is that, the account and the queue's name. `api_base_url`
    stands in the outputs and the functions' variables in place of `https://<id>.execute-api.<region>.<suffix>`;
    without it they are as on AWS. `websocket_base_url` does so for a WebSocket API, as ws:// in place of wss://. All
    three without a slash at the end.
    """

    queue_base_url: str
    api_base_url: str | None = None
    websocket_base_url: str | None = None
    stack: str = "forebay"
    region: str = "us-east-1"
    account: str = ACCOUNT
    partition: str = "aws"
    url_suffix: str = "amazonaws.com"

    def pseudo_parameters(self) -> dict[str, str]:
        """What `Ref` gives for `AWS::...`, but for AWS::NoValue, which is no value."""
        return {
            "AWS::AccountId": self.account,
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::StackId": self.arn("cloudformation", f"stack/{self.stack}/{self.uuid(self.stack)}"),
            "AWS::StackName": self.stack,
            "AWS::URLSuffix": self.url_suffix,
        }

    def identify(self, logical_id: str, type_: str, properties: Mapping[str, Any]) -> Identity:
        """Name a resource: by its own name property if it has one, else after the stack and its logical id.

        `properties` are resolved already. A type that is not known here has a name and no attributes.
        """
        make = _MAKERS.get(type_)
        if make is None:
            return Identity(self.name(logical_id), {})
        return make(self, logical_id, properties)

    def arn(self, service: str, resource: str, *, regional: bool = True, owned: bool = True) -> str:
        """An ARN of this account and Region; S3's have neither, IAM's no Region."""
        region = self.region if regional else ""
        account = self.account if owned else ""
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    def execute_api_url(self, api_id: str, scheme: str = "https") -> str:
        """Where AWS would serve an API."""
        return f"{scheme}://{api_id}.execute-api.{self.region}.{self.url_suffix}"

    def addresses(self, type_: str, api_id: str) -> dict[str, str]:
        """Where an API answers here, by where AWS would serve it; empty for what is no API, and if all is as on AWS."""
        if type_ == "AWS::ApiGateway::RestApi" and self.api_base_url is not None:
            return {self.execute_api_url(api_id): self.api_base_url}
        if type_ == "AWS::ApiGatewayV2::Api" and self.websocket_base_url is not None:
            here = self.websocket_base_url
            return {
                self.execute_api_url(api_id): here,
                self.execute_api_url(api_id, "wss"): here.replace("http:", "ws:", 1),
            }
        return {}

    def name(self, logical_id: str) -> str:
        """A name after the stack and the logical id, shortened where a service would not take it."""
        name = f"{self.stack}-{logical_id}"
        if len(name) <= _MAXIMUM_LENGTH:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return f"{name[: _MAXIMUM_LENGTH - 9]}-{digest}"

    def own_name(self, properties: Mapping[str, Any], key: str, logical_id: str) -> str:
        """The name the template itself gives, or else one of ours."""
        return str(properties.get(key) or self.name(logical_id))

    def short_id(self, logical_id: str) -> str:
        """Ten characters, as API Gateway's ids are."""
        return hashlib.sha256(f"{self.stack}/{logical_id}".encode()).hexdigest()[:10]

    def uuid(self, logical_id: str) -> str:
        """The same every time for the same stack and logical id."""
        return str(uuid.UUID(bytes=hashlib.sha256(f"{self.stack}/{logical_id}".encode()).digest()[:16], version=4))


_Maker = Callable[[PhysicalNames, str, Mapping[str, Any]], Identity]


def _bucket(names: PhysicalNames, logical_id: str, properties: Mapping[str, Any]) -> Identity:
    name = names.own_name(properties, "BucketName", logical_id).lower()
    return Identity(
        name,
        {
            "Arn": names.arn("s3", name, regional=False, owned=False),
            "DomainName": f"{name}.s3.{names.url_suffix}",
            "RegionalDomainName": f"{name}.s3.{names.region}.{names.url_suffix}",
        },
    )


def _queue(names: PhysicalNames, logical_id: str, properties: Mapping[str, Any]) -> Identity:
    name = names.own_name(properties, "QueueName", logical_id)
    if truth(properties.get("FifoQueue")) and not name.endswith(_FIFO):
        name += _FIFO
    url = f"{names.queue_base_url}/{names.account}/{name}"
    return Identity(url, {"Arn": names.arn("sqs", name), "QueueName": name, "QueueUrl": url})


def _topic(names: PhysicalNames, logical_id: str, properties: Mapping[str, Any]) -> Identity:
    name = names.own_name(properties, "TopicName", logical_id)
    arn = names.arn("sns", name)
    return Identity(arn, {"TopicArn": arn, "TopicName": name})


def _subscription(names: PhysicalNames, logical_id: str, properties: Mapping[str, Any]) -> Identity:
    arn = f"{properties.get('TopicArn')}:{names.uuid(logical_id)}"
    return Identity(arn, {"Arn": arn})


def _rest_api(names: PhysicalNames, logical_id: str, _properties: Mapping[str, Any]) -> Identity:
    api_id = names.short_id(logical_id)
    return Identity(api_id, {"RestApiId": api_id, "RootResourceId": names.short_id(f"{logical_id}/")})


def _v2_api(names: PhysicalNames, logical_id: str, properties: Mapping[str, Any]) -> Identity:
    api_id = names.short_id(logical_id)
    scheme = "wss" if properties.get("ProtocolType") == "WEBSOCKET" else "https"
    return Identity(api_id, {"ApiEndpoint": names.execute_api_url(api_id, scheme), "ApiId": api_id})


def _log_group(names: PhysicalNames, logical_id: str, properties: Mapping[str, Any]) -> Identity:
    name = names.own_name(properties, "LogGroupName", logical_id)
    # The trailing star is CloudFormation's own: it covers the group's streams.
    return Identity(name, {"Arn": names.arn("logs", f"log-group:{name}:*")})


def _role(names: PhysicalNames, logical_id: str, properties: Mapping[str, Any]) -> Identity:
    name = names.own_name(properties, "RoleName", logical_id)
    return Identity(name, {"Arn": names.arn("iam", f"role/{name}", regional=False)})


def _secret(names: PhysicalNames, logical_id: str, properties: Mapping[str, Any]) -> Identity:
    # Secrets Manager puts six characters behind the name, so that a secret made anew is another one.
    name = names.own_name(properties, "Name", logical_id)
    arn = names.arn("secretsmanager", f"secret:{name}-{names.short_id(logical_id)[:6]}")
    return Identity(arn, {"Id": arn})


def _stream_consumer(_names: PhysicalNames, logical_id: str, properties: Mapping[str, Any]) -> Identity:
    # A consumer is named under its stream, with the second it was registered in; here always the same one.
    name = str(properties.get("ConsumerName") or logical_id)
    arn = f"{properties.get('StreamARN')}/consumer/{name}:{_REGISTERED_AT}"
    return Identity(
        arn,
        {
            "ConsumerARN": arn,
            "ConsumerCreationTimestamp": str(_REGISTERED_AT),
            "ConsumerName": name,
            "ConsumerStatus": "ACTIVE",
            "StreamARN": str(properties.get("StreamARN")),
        },
    )


def _named(service: str, key: str, resource: str) -> _Maker:
    """A resource whose Ref is its name and whose only attribute is its ARN; `resource` holds the place of the name."""

    def make(names: PhysicalNames, logical_id: str, properties: Mapping[str, Any]) -> Identity:
        name = names.own_name(properties, key, logical_id)
        return Identity(name, {"Arn": names.arn(service, resource.format(name))})

    return make


def _by_short_id(attribute: str | None = None) -> _Maker:
    def make(names: PhysicalNames, logical_id: str, _properties: Mapping[str, Any]) -> Identity:
        identifier = names.short_id(logical_id)
        return Identity(identifier, {attribute: identifier} if attribute else {})

    return make


def _by_uuid(names: PhysicalNames, logical_id: str, _properties: Mapping[str, Any]) -> Identity:
    identifier = names.uuid(logical_id)
    return Identity(identifier, {"Id": identifier})


def _by_property(key: str) -> _Maker:
    def make(names: PhysicalNames, logical_id: str, properties: Mapping[str, Any]) -> Identity:
        return Identity(names.own_name(properties, key, logical_id), {})

    return make


def _usage_plan_key(_names: PhysicalNames, _logical_id: str, properties: Mapping[str, Any]) -> Identity:
    identifier = f"{properties.get('KeyId')}:{properties.get('UsagePlanId')}"
    return Identity(identifier, {"Id": identifier})


_MAKERS: Final[Mapping[str, _Maker]] = {
    "AWS::ApiGateway::ApiKey": _by_short_id("APIKeyId"),
    "AWS::ApiGateway::Deployment": _by_short_id("DeploymentId"),
    "AWS::ApiGateway::Model": _by_property("Name"),
    "AWS::ApiGateway::RequestValidator": _by_short_id("RequestValidatorId"),
    "AWS::ApiGateway::Resource": _by_short_id("ResourceId"),
    "AWS::ApiGateway::RestApi": _rest_api,
    "AWS::ApiGateway::Stage": _by_property("StageName"),
    "AWS::ApiGateway::UsagePlan": _by_short_id("Id"),
    "AWS::ApiGateway::UsagePlanKey": _usage_plan_key,
    "AWS::ApiGatewayV2::Api": _v2_api,
    "AWS::ApiGatewayV2::Deployment": _by_short_id("DeploymentId"),
    "AWS::ApiGatewayV2::Integration": _by_short_id("IntegrationId"),
    "AWS::ApiGatewayV2::IntegrationResponse": _by_short_id("IntegrationResponseId"),
    "AWS::ApiGatewayV2::Route": _by_short_id("RouteId"),
    "AWS::ApiGatewayV2::RouteResponse": _by_short_id("RouteResponseId"),
    "AWS::ApiGatewayV2::Stage": _by_property("StageName"),
    "AWS::DynamoDB::Table": _named("dynamodb", "TableName", "table/{}"),
    "AWS::IAM::Role": _role,
    "AWS::Kinesis::Stream": _named("kinesis", "Name", "stream/{}"),
    "AWS::Kinesis::StreamConsumer": _stream_consumer,
    "AWS::Lambda::EventSourceMapping": _by_uuid,
    "AWS::Lambda::Function": _named("lambda", "FunctionName", "function:{}"),
    "AWS::Logs::LogGroup": _log_group,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _by_property("Bucket"),
    "AWS::SecretsManager::Secret": _secret,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": _topic,
    "AWS::SQS::Queue": _queue,
}
