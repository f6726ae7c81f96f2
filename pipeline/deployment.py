"""`forebay package` and `forebay deploy`: the functions' zip, and the stack on AWS that runs it."""

import hashlib
import re
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError, ProfileNotFound

from pipeline.cloudformation_stack import DeploymentError, StackDeployment, delete_command
from pipeline.code_package import CodePackage, PackageError, build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from boto3.session import Session
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType

_CHECKOUT: Final = Path(__file__).parent.parent
_ZIP: Final = Path("build/forebay.zip")
# What deploy fills in by itself.
_OF_THE_CODE: Final = ("CodeBucket", "CodeKey")
_STACK_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
# The outputs that name what infra.yaml keeps when its stack is deleted.
_KEPT: Final = ("ImageBucket", "KinesisFailureBucket", "KinesisEfoFailureBucket")


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=_ZIP, show_default=True)
def package(out: Path) -> None:
    """Build the zip that Lambda runs: our code and its dependencies, for Python 3.13 on arm64."""
    click.echo(_described(_build(out)))


@click.command()
@click.option("--stack", "name", required=True, help="Name of the CloudFormation stack to make or update.")
@click.option("--region", help="AWS Region. Without it, that of your AWS configuration.")
@click.option("--profile", help="AWS profile. Without it, that of your AWS configuration.")
@click.option(
    "--parameter", "-p", "parameters", multiple=True, metavar="NAME=VALUE",
    help="A parameter of the template; may be given again. What is not given stays as it is.",
)  # fmt: skip
@click.option("--code-bucket", help="Bucket for the code. Without it, forebay-code-ACCOUNT-REGION, made if need be.")
@click.option(
    "--template",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=_CHECKOUT / "infra.yaml",
    help="Another template than this checkout's infra.yaml.",
)
def deploy(
    name: str,
    region: str | None,
    profile: str | None,
    parameters: tuple[str, ...],
    code_bucket: str | None,
    template: Path,
) -> None:
    """Put Forebay on AWS: upload the code, make or update the stack, print what it is reached by.

    The API lets in who signs with credentials that may invoke it (docs/authentication.md). Each image costs: delete the
    stack when you are done.
    """
    try:
        _check_name(name)
        given = _read_parameters(parameters)
        session = _session(region, profile)
        account = _account(session)
        bucket = CodeBucket.of(session, account, code_bucket)
        bucket.ensure()
        zipped = _build(_CHECKOUT / _ZIP)
        click.echo(_described(zipped))
        key = bucket.put(zipped.path.read_bytes(), "forebay", ".zip")
        template_key = bucket.put(template.read_bytes(), "infra", ".yaml")
        stack = StackDeployment(session.client("cloudformation"), name, time.sleep, click.echo, profile)
        outputs = stack.deploy(bucket.url(template_key), {**given, "CodeBucket": bucket.name, "CodeKey": key})
    except DeploymentError as error:
        raise click.ClickException(str(error)) from error
    except BotoCoreError as error:
        raise click.ClickException(f"AWS could not be called: {error}") from error
    width = max(map(len, outputs), default=0)
    for output, value in outputs.items():
        click.echo(f"{output:<{width}}  {value}")
    click.echo(_next(name, bucket, outputs, region, profile))


class CodeBucket:
    """The bucket that code and templates are uploaded to, under names made of their hashes."""

    def __init__(self, client: "S3Client", name: str, account: str, region: str) -> None:
        self._client = client
        self.name = name
        # A bucket's name is the world's: someone else may have taken ours, and must not get our code.
        self._owner = account
        self.region = region

    @classmethod
    def of(cls, session: "Session", account: str, name: str | None) -> "CodeBucket":
        """The bucket of that name, or the account's own for the session's Region."""
        region = session.region_name
        return cls(session.client("s3"), name or f"forebay-code-{account}-{region}", account, region)

    def ensure(self) -> None:
        """Make the bucket if it is not there.

        Raises:
            DeploymentError: it belongs to someone else, lies elsewhere, or may not be made.
        """
        try:
            found = self._client.head_bucket(Bucket=self.name, ExpectedBucketOwner=self._owner)
        except ClientError as error:
            if _status(error) != 404:
                raise DeploymentError(self._unusable(error)) from None
        else:
            region = found.get("BucketRegion", self.region)
            if region != self.region:
                raise DeploymentError(
                    f"the bucket {self.name} lies in {region}, and Lambda takes code from its own Region "
                    f"({self.region}) only: name another with --code-bucket"
                )
            return
        request: dict[str, Any] = {"Bucket": self.name}
        if self.region != "us-east-1":
            constraint: BucketLocationConstraintType = self.region  # type: ignore[assignment]  # any Region at all
            request["CreateBucketConfiguration"] = {"LocationConstraint": constraint}
        try:
            self._client.create_bucket(**request)
        except ClientError as error:
            raise DeploymentError(self._unusable(error)) from None

    def put(self, body: bytes, stem: str, suffix: str) -> str:
        """Upload unless the same is there, and answer with its key.

        Raises:
            DeploymentError: it could not be uploaded.
        """
        key = f"{stem}-{hashlib.sha256(body).hexdigest()[:16]}{suffix}"
        try:
            try:
                self._client.head_object(Bucket=self.name, Key=key, ExpectedBucketOwner=self._owner)
            except ClientError as error:
                # 403 is what S3 says of a missing key to those who may not list the bucket.
                if _status(error) not in (403, 404):
                    raise
                self._client.put_object(Bucket=self.name, Key=key, Body=body, ExpectedBucketOwner=self._owner)
        except ClientError as error:
            raise DeploymentError(self._unusable(error)) from None
        return key

    def url(self, key: str) -> str:
        """Where CloudFormation reads an object."""
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return f"https://{self.name}.s3.{self.region}.{suffix}/{key}"

    def _unusable(self, error: ClientError) -> str:
        told = error.response["Error"]
        what = f"the code bucket {self.name} cannot be used ({told.get('Code')}: {told.get('Message')})"
        if _status(error) in (403, 409) or told.get("Code") == "BucketAlreadyExists":
            return f"{what}: it is someone else's, or you lack the right; name one of yours with --code-bucket"
        return f"{what}: name another with --code-bucket"


def _check_name(name: str) -> None:
    # CloudFormation says so only once a bucket is made and the code is in it.
    if not _STACK_NAME.fullmatch(name):
        raise DeploymentError(
            f"{name!r} is no stack's name: a letter, then letters, digits and hyphens, 128 in all at the most"
        )


def _next(name: str, bucket: CodeBucket, outputs: "Mapping[str, str]", region: str | None, profile: str | None) -> str:
    """What to do with the stack, to be pasted: in its own Region, and as whom it was made."""
    chosen = {"AWS_PROFILE": profile, "AWS_DEFAULT_REGION": region}
    variables = "".join(f"{variable}={shlex.quote(value)} " for variable, value in chosen.items() if value)
    kept = ", ".join([*(outputs[bucket] for bucket in _KEPT if bucket in outputs), bucket.name])
    return (
        f"Next: {variables}.venv/bin/locust -f loadtest/ --stack {name}\n"
        f"When done: {delete_command(name, bucket.region, profile)}\n"
        f"These buckets stay, with what is in them: {kept}"
    )


def _read_parameters(written: tuple[str, ...]) -> dict[str, str]:
    given: dict[str, str] = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise DeploymentError(f"--parameter takes NAME=VALUE, not {text!r}")
        if name in _OF_THE_CODE:
            raise DeploymentError(f"{name} is set by deploy itself; to choose the bucket, use --code-bucket")
        if name in given:
            raise DeploymentError(f"--parameter {name} is given twice")
        given[name] = value
    return given


def _session(region: str | None, profile: str | None) -> "Session":
    # A tenth of a second that --help need not wait for.
    import boto3

    try:
        session = boto3.Session(region_name=region, profile_name=profile)
    except ProfileNotFound as error:
        raise DeploymentError(f"{error}: `aws configure list-profiles` shows those there are") from None
    if session.region_name is None:
        raise DeploymentError("no AWS Region is set: give --region, or set AWS_DEFAULT_REGION")
    return session


def _account(session: "Session") -> str:
    try:
        identity: dict[str, str] = session.client("sts").get_caller_identity()
    except (NoCredentialsError, NoRegionError):
        raise DeploymentError(
            "no AWS credentials were found: run `aws login` or `aws configure`, or set AWS_PROFILE. "
            "Without an account, `forebay local` and `make bench` run everything on this machine"
        ) from None
    except ClientError as error:
        raise DeploymentError(
            f"AWS refused the credentials ({error.response['Error'].get('Code')}): renew them, or set AWS_PROFILE"
        ) from None
    return identity["Account"]


def _build(out: Path) -> CodePackage:
    try:
        return build(_CHECKOUT, out)
    except PackageError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}") from None


def _described(built: CodePackage) -> str:
    return f"{built.path}: {built.size / 1e6:.1f} MB, {built.unpacked / 1e6:.1f} MB unpacked, sha256 {built.sha256}"


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]
