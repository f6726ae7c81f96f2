"""Deploying: against moto as far as it goes (a small template), against botocore's Stubber where it does not."""

import datetime
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from click.testing import CliRunner, Result
from moto import mock_aws

from local.template import load
from pipeline import deployment
from pipeline.cloudformation_stack import DeploymentError, StackDeployment
from pipeline.code_package import CodePackage, PackageError

ACCOUNT = "123456789012"
REGION = "eu-west-1"
TEMPLATE = """
Parameters:
  CodeBucket: {Type: String}
  CodeKey: {Type: String}
  Retention: {Type: Number, Default: 60}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {MessageRetentionPeriod: !Ref Retention}}
Outputs:
  QueueUrl: {Value: !Ref Queue}
  Code: {Value: !Sub "${CodeBucket}/${CodeKey}"}
"""


@pytest.fixture
def aws(alone: pytest.MonkeyPatch) -> Iterator[None]:
    alone.setenv("AWS_ACCESS_KEY_ID", "a")
    alone.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with mock_aws():
        yield


@pytest.fixture
def zipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for the zip, whose building has tests of its own."""
    path = tmp_path / "forebay.zip"
    path.write_bytes(b"the code")
    monkeypatch.setattr(deployment, "build", lambda *_: CodePackage(path, "ab" * 32, 8, 16))
    return path


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(TEMPLATE)
    return path


@pytest.fixture
def deploy(aws: None, zipped: Path, template: Path) -> Callable[..., Result]:
    def run(*arguments: str) -> Result:
        given = ["--stack", "demo", "--region", REGION, "--template", str(template), *arguments]
        return CliRunner().invoke(deployment.deploy, given)

    return run


def described() -> dict[str, Any]:
    (stack,) = boto3.client("cloudformation", REGION).describe_stacks(StackName="demo")["Stacks"]
    return dict(stack)


def parameters() -> dict[str, str]:
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in described()["Parameters"]}


def test_first_deploy_makes_bucket_and_stack_and_prints_the_outputs(deploy: Callable[..., Result]) -> None:
    done = deploy()

    assert done.exit_code == 0, done.output
    bucket = f"forebay-code-{ACCOUNT}-{REGION}"
    key = f"forebay-{hashlib.sha256(b'the code').hexdigest()[:16]}.zip"
    s3 = boto3.client("s3", REGION)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"the code"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == REGION
    assert parameters() == {"CodeBucket": bucket, "CodeKey": key, "Retention": "60"}
    assert "making the stack demo" in done.output
    assert "CREATE_COMPLETE" in done.output
    assert f"Code      {bucket}/{key}" in done.output
    assert f"Next: AWS_DEFAULT_REGION={REGION} .venv/bin/locust -f loadtest/ --stack demo\n" in done.output
    assert f"When done: aws cloudformation delete-stack --stack-name demo --region {REGION}\n" in done.output
    assert f"These buckets stay, with what is in them: {bucket}\n" in done.output


def test_every_bucket_that_outlives_its_stack_is_named() -> None:
    template = load(Path(__file__).parents[2] / "infra.yaml").document
    kept = {name for name, resource in template["Resources"].items() if resource.get("DeletionPolicy") != "Delete"}
    buckets = {name for name in kept if template["Resources"][name]["Type"] == "AWS::S3::Bucket"}
    named = {template["Outputs"][name]["Value"]["Ref"] for name in deployment._KEPT}

    assert named == buckets


def test_a_profile_that_was_given_is_that_of_the_commands_to_paste() -> None:
    bucket = deployment.CodeBucket(boto3.client("s3", REGION), "code", ACCOUNT, REGION)

    told = deployment._next("demo", bucket, {"ImageBucket": "demo-images"}, None, "my own")

    assert "Next: AWS_PROFILE='my own' .venv/bin/locust" in told
    assert f"delete-stack --stack-name demo --region {REGION} --profile 'my own'" in told
    assert told.endswith("demo-images, code")


def test_us_east_1_is_made_without_a_location(aws: None) -> None:
    session = boto3.Session(region_name="us-east-1")

    deployment.CodeBucket.of(session, ACCOUNT, None).ensure()

    assert boto3.client("s3", "us-east-1").head_bucket(Bucket=f"forebay-code-{ACCOUNT}-us-east-1")


def test_update_changes_what_is_given_and_keeps_the_rest(deploy: Callable[..., Result], zipped: Path) -> None:
    assert deploy("-p", "Retention=120").exit_code == 0
    zipped.write_bytes(b"newer code")

    done = deploy()

    assert done.exit_code == 0, done.output
    assert "updating the stack demo" in done.output
    assert parameters()["Retention"] == "120"
    assert hashlib.sha256(b"newer code").hexdigest()[:16] in parameters()["CodeKey"]
    assert described()["StackStatus"] == "UPDATE_COMPLETE"


def test_same_code_is_not_uploaded_again(deploy: Callable[..., Result]) -> None:
    assert deploy().exit_code == 0
    s3 = boto3.client("s3", REGION)
    before = s3.list_objects_v2(Bucket=f"forebay-code-{ACCOUNT}-{REGION}")["Contents"]

    assert deploy("-p", "Retention=90").exit_code == 0

    after = s3.list_objects_v2(Bucket=f"forebay-code-{ACCOUNT}-{REGION}")["Contents"]
    assert [(item["Key"], item["LastModified"]) for item in after] == [
        (item["Key"], item["LastModified"]) for item in before
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["-p", "Retention"], "takes NAME=VALUE, not 'Retention'"),
        (["-p", "=5"], "takes NAME=VALUE"),
        (["-p", "CodeKey=x"], "CodeKey is set by deploy itself"),
        (["-p", "Retention=1", "-p", "Retention=2"], "--parameter Retention is given twice"),
        (["-p", "Retentoin=1"], "no parameter Retentoin; it has CodeBucket, CodeKey, Retention"),
        (["--stack", "a b"], "'a b' is no stack's name: a letter, then"),
        (["--stack", ""], "'' is no stack's name"),
        (["--profile", "nobody"], "(nobody) could not be found: `aws configure list-profiles`"),
    ],
)
def test_wrong_options_are_told_with_the_cure(deploy: Callable[..., Result], given: list[str], says: str) -> None:
    done = deploy(*given)

    assert done.exit_code == 1
    assert says in done.output
    assert "Traceback" not in done.output


def test_value_with_an_equals_sign_is_kept_whole() -> None:
    assert deployment._read_parameters(("A=b=c", "D=")) == {"A": "b=c", "D": ""}


def test_no_region_is_told(aws: None, zipped: Path, template: Path) -> None:
    done = CliRunner().invoke(deployment.deploy, ["--stack", "demo", "--template", str(template)])

    assert done.exit_code == 1
    assert "no AWS Region is set: give --region" in done.output


def test_no_credentials_is_told_with_the_way_without_an_account(
    aws: None, zipped: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    done = CliRunner().invoke(deployment.deploy, ["--stack", "demo", "--region", REGION, "--template", str(template)])

    assert done.exit_code == 1
    assert "no AWS credentials were found" in done.output
    assert "make bench" in done.output


def test_code_that_cannot_be_packaged_stops_before_the_stack(
    deploy: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> CodePackage:
        raise PackageError("no wheels, do this")

    monkeypatch.setattr(deployment, "build", fail)

    done = deploy()

    assert done.exit_code == 1
    assert "no wheels, do this" in done.output
    assert boto3.client("cloudformation", REGION).describe_stacks()["Stacks"] == []


def test_package_says_where_and_how_large(zipped: Path) -> None:
    done = CliRunner().invoke(deployment.package, ["--out", str(zipped)])

    assert done.exit_code == 0
    assert str(zipped) in done.output
    assert "0.0 MB" in done.output
    assert "ab" * 32 in done.output


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        ("403", 403, "it is someone else's, or you lack the right; name one of yours with --code-bucket"),
        ("301", 301, "name another with --code-bucket"),
    ],
)
def test_code_bucket_that_is_not_ours_is_refused(code: str, status: int, says: str) -> None:
    client = boto3.client("s3", REGION, aws_access_key_id="a", aws_secret_access_key="b")
    bucket = deployment.CodeBucket(client, "taken", ACCOUNT, REGION)
    with Stubber(client) as stubber:
        stubber.add_client_error("head_bucket", code, "Forbidden", status, expected_params=bucket_of_ours("taken"))

        with pytest.raises(DeploymentError) as refused:
            bucket.ensure()

    assert says in str(refused.value)
    assert "taken" in str(refused.value)


def test_code_bucket_in_another_region_is_refused() -> None:
    client = boto3.client("s3", REGION, aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        stubber.add_response("head_bucket", {"BucketRegion": "us-east-1"}, bucket_of_ours("elsewhere"))

        with pytest.raises(DeploymentError, match="lies in us-east-1, and Lambda takes code from its own Region"):
            deployment.CodeBucket(client, "elsewhere", ACCOUNT, REGION).ensure()


def bucket_of_ours(name: str) -> dict[str, str]:
    return {"Bucket": name, "ExpectedBucketOwner": ACCOUNT}


class Scripted:
    """A CloudFormation client that answers by script, and a clock that only counts."""

    def __init__(self) -> None:
        self.client = boto3.client("cloudformation", REGION, aws_access_key_id="a", aws_secret_access_key="b")
        self.stubber = Stubber(self.client)
        self.told: list[str] = []
        self.slept: list[float] = []
        self.interrupted = False

    def stack(self, status: str, **more: Any) -> None:
        stack = {"StackName": "demo", "StackId": "arn:demo", "CreationTime": AT, "StackStatus": status, **more}
        self.stubber.add_response("describe_stacks", {"Stacks": [stack]})

    def summary(self) -> None:
        self.stubber.add_response("get_template_summary", {"Parameters": [{"ParameterKey": "Retention"}]})

    def events(self, *events: tuple[str, str, str, str]) -> None:
        """Newest first, as CloudFormation lists them: id, resource, status, reason."""
        listed = [
            {
                "StackId": "arn:demo", "StackName": "demo", "Timestamp": AT, "EventId": event_id,
                "LogicalResourceId": resource, "ResourceStatus": status,
                **({"ResourceStatusReason": reason} if reason else {}),
            }
            for event_id, resource, status, reason in events
        ]  # fmt: skip
        self.stubber.add_response("describe_stack_events", {"StackEvents": listed})

    def sleep(self, seconds: float) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.slept.append(seconds)

    def deploy(self, **given: str) -> dict[str, str]:
        stack = StackDeployment(self.client, "demo", self.sleep, self.told.append)
        with self.stubber:
            outputs = stack.deploy("https://bucket/template", given)
        self.stubber.assert_no_pending_responses()
        return outputs


AT = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


def begin_update(scripted: Scripted, *old: tuple[str, str, str, str]) -> None:
    scripted.stack("CREATE_COMPLETE", Parameters=[{"ParameterKey": "Retention", "ParameterValue": "1"}])
    scripted.summary()
    scripted.events(*old)
    scripted.stubber.add_response(
        "update_stack",
        {"StackId": "arn:demo"},
        {
            "StackName": "demo",
            "TemplateURL": "https://bucket/template",
            "Parameters": [{"ParameterKey": "Retention", "UsePreviousValue": True}],
            "Capabilities": ["CAPABILITY_IAM"],
        },
    )


def test_events_are_told_once_in_order_while_the_stack_changes(scripted: Scripted) -> None:
    old = ("e0", "demo", "CREATE_COMPLETE", "")
    begin = ("e1", "Queue", "UPDATE_IN_PROGRESS", "")
    more = ("e1b", "Topic", "UPDATE_IN_PROGRESS", "")
    end = ("e2", "Queue", "UPDATE_COMPLETE", "")
    begin_update(scripted, old)
    scripted.stack("UPDATE_IN_PROGRESS")
    scripted.events(more, begin, old)
    scripted.stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    scripted.events(end, more, begin, old)
    scripted.stack("UPDATE_COMPLETE", Outputs=[{"OutputKey": "QueueUrl", "OutputValue": "https://q"}])
    scripted.events(end, more, begin, old)

    assert scripted.deploy() == {"QueueUrl": "https://q"}

    assert [line.split() for line in scripted.told] == [
        ["updating", "the", "stack", "demo"],
        ["UPDATE_IN_PROGRESS", "Queue"],
        ["UPDATE_IN_PROGRESS", "Topic"],
        ["UPDATE_COMPLETE", "Queue"],
    ]
    assert scripted.slept == [2.0, 2.0]


def test_ctrl_c_says_that_the_stack_goes_on_and_how_to_undo_it(scripted: Scripted) -> None:
    begin_update(scripted)
    scripted.stack("UPDATE_IN_PROGRESS")
    scripted.events()
    scripted.interrupted = True

    with pytest.raises(DeploymentError) as stopped:
        scripted.deploy()

    assert "CloudFormation goes on with the stack demo" in str(stopped.value)
    assert f"`aws cloudformation cancel-update-stack --stack-name demo --region {REGION}`" in str(stopped.value)


def test_nothing_to_change_is_no_error(scripted: Scripted) -> None:
    scripted.stack("CREATE_COMPLETE", Outputs=[{"OutputKey": "QueueUrl", "OutputValue": "https://q"}])
    scripted.summary()
    scripted.events()
    scripted.stubber.add_client_error("update_stack", "ValidationError", "No updates are to be performed.")

    assert scripted.deploy() == {"QueueUrl": "https://q"}
    assert scripted.told == ["the stack demo is up to date"]


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("Specified ReservedConcurrentExecutions decreases account's UnreservedConcurrentExecution below 100.",
         "Lower the ...ReservedConcurrency parameters"),
        ("CloudWatch Logs role ARN must be set in account settings to enable logging", "AccessLogs=own-role"),
        ("User: arn:x is not authorized to perform: iam:CreateRole", "The caller lacks that right"),
        ("Queue Visibility timeout: 30 seconds is less than Function timeout", "Raise SqsVisibilityTimeout"),
        ("Something new", "Something new"),
    ],
)  # fmt: skip
def test_rollback_names_the_first_cause_and_its_cure(scripted: Scripted, reason: str, cure: str) -> None:
    begin_update(scripted)
    scripted.stack("UPDATE_ROLLBACK_IN_PROGRESS")
    scripted.events(
        ("e3", "Topic", "CREATE_FAILED", "Resource creation cancelled"),
        ("e2", "Queue", "CREATE_FAILED", reason),
        ("e1", "Other", "CREATE_FAILED", "Resource creation cancelled"),
    )
    scripted.stack("UPDATE_ROLLBACK_COMPLETE")
    scripted.events()

    with pytest.raises(DeploymentError) as failed:
        scripted.deploy()

    assert "the stack demo ended in UPDATE_ROLLBACK_COMPLETE: Queue failed:" in str(failed.value)
    assert reason.rstrip(".") in str(failed.value)
    assert cure in str(failed.value)


def test_first_creation_that_failed_is_deleted_and_explained(scripted: Scripted) -> None:
    scripted.stubber.add_client_error("describe_stacks", "ValidationError", "Stack with id demo does not exist")
    scripted.summary()
    scripted.stubber.add_response(
        "create_stack",
        {"StackId": "arn:demo"},
        {
            "StackName": "demo",
            "TemplateURL": "https://bucket/template",
            "Parameters": [{"ParameterKey": "Retention", "ParameterValue": "5"}],
            "Capabilities": ["CAPABILITY_IAM"],
            "OnFailure": "DELETE",
        },
    )
    scripted.stack("DELETE_COMPLETE", StackStatusReason="The following resource(s) failed to create: [Queue].")
    scripted.events(("e1", "Queue", "CREATE_FAILED", "Invalid value for MessageRetentionPeriod"))

    with pytest.raises(DeploymentError, match="ended in DELETE_COMPLETE: Queue failed: Invalid value"):
        scripted.deploy(Retention="5")


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("UPDATE_IN_PROGRESS", "being changed already"),
        ("REVIEW_IN_PROGRESS", "aws cloudformation delete-stack --stack-name demo"),
        ("ROLLBACK_COMPLETE", "aws cloudformation delete-stack --stack-name demo"),
        ("DELETE_FAILED", "aws cloudformation delete-stack --stack-name demo"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name demo"),
    ],
)
def test_stack_in_no_state_to_be_changed_says_what_to_do(scripted: Scripted, status: str, says: str) -> None:
    scripted.stack(status)
    scripted.summary()

    with pytest.raises(DeploymentError, match=says):
        scripted.deploy()


def test_refused_call_is_explained(scripted: Scripted) -> None:
    scripted.stubber.add_client_error(
        "describe_stacks", "AccessDenied", "User: u is not authorized to perform: cloudformation:DescribeStacks", 403
    )

    with pytest.raises(DeploymentError, match=r"CloudFormation: .*DescribeStacks\. The caller lacks that right"):
        scripted.deploy()


def test_refused_parameter_is_cloudformations_own_words(scripted: Scripted) -> None:
    scripted.stubber.add_client_error("describe_stacks", "ValidationError", "Stack with id demo does not exist")
    scripted.summary()
    scripted.stubber.add_client_error("create_stack", "ValidationError", "Parameter 'Retention' must be a number")

    with pytest.raises(DeploymentError, match="Parameter 'Retention' must be a number"):
        scripted.deploy(Retention="x")
