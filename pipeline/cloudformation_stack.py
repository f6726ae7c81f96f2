"""Making or updating a CloudFormation stack, with its events told as they happen."""

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackEventTypeDef, StackTypeDef

# Seconds between looks at a stack that is being changed; its events come about that fast.
POLL_S: Final = 2.0
# CloudFormation stops the rest once one resource has failed, and says so of each of them.
_NOT_A_CAUSE: Final = ("Resource creation cancelled", "Resource update cancelled", "Resource deletion cancelled")
# A stack that was never made whole, or only proposed: CloudFormation updates none of them.
_ONLY_TO_DELETE: Final = (
    "REVIEW_IN_PROGRESS",
    "CREATE_FAILED",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "DELETE_FAILED",
)
_CURES: Final = (
    ("UnreservedConcurrentExecution", "Lower the ...ReservedConcurrency parameters: 100 executions stay unreserved."),
    ("CloudWatch Logs role ARN", "Give --parameter AccessLogs=own-role, or none."),
    ("is not authorized to perform", "The caller lacks that right: use a role that may make every resource here."),
    ("Visibility timeout", "Raise SqsVisibilityTimeout to six times FunctionTimeout, plus SqsBatchingWindow."),
    ("MaximumConcurrency", "Keep SqsMaximumConcurrency at or below SqsReservedConcurrency."),
    ("LimitExceeded", "The account is at a quota: raise it, or deploy into another Region."),
)


class DeploymentError(Exception):
    """A stack that could not be made or updated; the text says why, and what to do."""


@dataclass(slots=True)
class StackDeployment:
    """One stack in one account and Region. `sleep` takes seconds, `tell` one line of progress.

    `profile` is the AWS profile to name in commands that are to be pasted, if it is another than the caller's own.
    """

    client: "CloudFormationClient"
    name: str
    sleep: "Callable[[float], None]"
    tell: "Callable[[str], None]"
    profile: str | None = None
    _seen: set[str] = field(default_factory=set)

    def deploy(self, template_url: str, given: "Mapping[str, str]") -> dict[str, str]:
        """Bring the stack to the template and answer with its outputs.

        Parameters that are not given stay as they are, or take their default in a new stack.

        Raises:
            DeploymentError: a parameter is refused, the stack is in no state to be changed, or the change failed.
        """
        present = self._describe(self.name)
        parameters = self._parameters(template_url, given, present)
        request: dict[str, Any] = {
            "StackName": self.name,
            "TemplateURL": template_url,
            "Parameters": parameters,
            "Capabilities": ["CAPABILITY_IAM"],
        }
        if present is None:
            self.tell(f"making the stack {self.name}")
            # A first creation that failed leaves a stack that can only be deleted, so it is.
            stack_id = self._call(self.client.create_stack, **request, OnFailure="DELETE")["StackId"]
        else:
            self._check_ready(present)
            stack_id = present["StackId"]
            self._seen = {event["EventId"] for event in self._events(stack_id)}
            try:
                self._call(self.client.update_stack, **request)
            except DeploymentError as error:
                if "No updates are to be performed" not in str(error):
                    raise
                self.tell(f"the stack {self.name} is up to date")
                return _outputs(present)
            self.tell(f"updating the stack {self.name}")
        try:
            return _outputs(self._follow(stack_id))
        except KeyboardInterrupt:
            undone = "delete-stack" if present is None else "cancel-update-stack"
            raise DeploymentError(
                f"CloudFormation goes on with the stack {self.name}, which nobody watches any more: deploy again once "
                f"it has ended to see the outputs, or undo it with `{self._command(undone)}`"
            ) from None

    def _command(self, command: str) -> str:
        return _command(command, self.name, self.client.meta.region_name, self.profile)

    def _describe(self, name: str) -> "StackTypeDef | None":
        try:
            return self.client.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise _explained(error) from None

    def _check_ready(self, present: "StackTypeDef") -> None:
        status = present["StackStatus"]
        if status in _ONLY_TO_DELETE:
            raise DeploymentError(
                f"the stack {self.name} is in {status} and can only be deleted: "
                f"run `{self._command('delete-stack')}`, then deploy again"
            )
        if status.endswith("_IN_PROGRESS"):
            raise DeploymentError(f"the stack {self.name} is being changed already ({status}): wait until that is done")
        if status == "UPDATE_ROLLBACK_FAILED":
            raise DeploymentError(
                f"the stack {self.name} is in {status}: "
                f"run `{self._command('continue-update-rollback')}`, then deploy again"
            )

    def _parameters(
        self, template_url: str, given: "Mapping[str, str]", present: "StackTypeDef | None"
    ) -> "list[ParameterTypeDef]":
        summary = self._call(self.client.get_template_summary, TemplateURL=template_url)
        declared = {parameter["ParameterKey"] for parameter in summary.get("Parameters", [])}
        unknown = sorted(set(given) - declared)
        if unknown:
            raise DeploymentError(
                f"the template has no parameter {', '.join(unknown)}; it has {', '.join(sorted(declared))}"
            )
        kept = {parameter["ParameterKey"] for parameter in present.get("Parameters", [])} if present else set()
        parameters: list[ParameterTypeDef] = [
            {"ParameterKey": name, "ParameterValue": value} for name, value in sorted(given.items())
        ]
        parameters += [
            {"ParameterKey": name, "UsePreviousValue": True} for name in sorted((declared & kept) - set(given))
        ]
        return parameters

    def _follow(self, stack_id: str) -> "StackTypeDef":
        failures: list[StackEventTypeDef] = []
        while True:
            # Looked at before the events, so that none that led to this status is missed.
            stack = self._describe(stack_id)
            assert stack is not None
            for event in self._news(stack_id):
                self.tell(_event_line(event))
                if event.get("ResourceStatus", "").endswith("_FAILED"):
                    failures.append(event)
            status = stack["StackStatus"]
            if not status.endswith("_IN_PROGRESS"):
                break
            self.sleep(POLL_S)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise DeploymentError(f"the stack {self.name} ended in {status}: {_cause(failures, stack)}")
        return stack

    def _news(self, stack_id: str) -> "list[StackEventTypeDef]":
        news = [event for event in self._events(stack_id) if event["EventId"] not in self._seen]
        self._seen |= {event["EventId"] for event in news}
        return news[::-1]

    def _events(self, stack_id: str) -> "Iterator[StackEventTypeDef]":
        """The stack's events, newest first."""
        try:
            for page in self.client.get_paginator("describe_stack_events").paginate(StackName=stack_id):
                yield from page["StackEvents"]
        except ClientError as error:
            raise _explained(error) from None

    def _call(self, operation: "Callable[..., Any]", **request: Any) -> dict[str, Any]:
        try:
            return cast("dict[str, Any]", operation(**request))
        except ClientError as error:
            raise _explained(error) from None


def delete_command(name: str, region: str, profile: str | None) -> str:
    """The command of the aws CLI that deletes a stack, wherever it is typed."""
    return _command("delete-stack", name, region, profile)


def _command(command: str, name: str, region: str, profile: str | None) -> str:
    whose = f" --profile {shlex.quote(profile)}" if profile else ""
    return f"aws cloudformation {command} --stack-name {name} --region {region}{whose}"


def _outputs(stack: "StackTypeDef") -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _event_line(event: "StackEventTypeDef") -> str:
    line = f"{event.get('ResourceStatus', ''):<28} {event.get('LogicalResourceId', '')}"
    reason = event.get("ResourceStatusReason")
    return f"{line}: {reason}" if reason else line


def _cause(failures: "list[StackEventTypeDef]", stack: "StackTypeDef") -> str:
    for event in failures:
        reason = event.get("ResourceStatusReason", "")
        if not any(text in reason for text in _NOT_A_CAUSE):
            return f"{event.get('LogicalResourceId', '')} failed: {_with_cure(reason)}"
    return _with_cure(stack.get("StackStatusReason", "CloudFormation gave no reason; its console has the events"))


def _explained(error: ClientError) -> DeploymentError:
    told = error.response["Error"]
    return DeploymentError(f"CloudFormation: {_with_cure(told.get('Message') or told.get('Code', str(error)))}")


def _with_cure(reason: str) -> str:
    for text, cure in _CURES:
        if text in reason:
            return f"{reason.rstrip('. ')}. {cure}"
    return reason
