"""The errors SQS answers with, each with its name in the query protocol."""

from local.queue import InvalidReceiptError, Queue
from local.service_error import MalformedError, MissingError, ServiceError, UnreadableError, validation_message


def invalid(message: str) -> ServiceError:
    """A value SQS does not take."""
    return ServiceError("InvalidParameterValueException", message, query_code="InvalidParameterValue")


def missing(name: str) -> ServiceError:
    """A parameter the request must have."""
    return ServiceError(
        "MissingRequiredParameterException",
        f"The request must contain the parameter {name}.",
        query_code="MissingParameter",
    )


def too_long(queue: Queue) -> ServiceError:
    """A message over the queue's MaximumMessageSize."""
    return invalid(
        "One or more parameters are invalid. Reason: Message must be shorter than "
        f"{queue.settings.maximum_message_size} bytes."
    )


def no_queue() -> ServiceError:
    """A queue nobody made."""
    return ServiceError(
        "QueueDoesNotExist",
        "The specified queue does not exist.",
        query_code="AWS.SimpleQueueService.NonExistentQueue",
    )


def throttled() -> ServiceError:
    """More calls a second than a FIFO queue answers."""
    return ServiceError("RequestThrottled", "Rate exceeded", query_code="RequestThrottled")


def invalid_receipt(error: InvalidReceiptError) -> ServiceError:
    """A receipt handle the queue did not give out."""
    return ServiceError(
        "ReceiptHandleIsInvalid", f'The input receipt handle "{error}" is not a valid receipt handle.', status=404
    )


def batch_error(code: str, message: str) -> ServiceError:
    """What is wrong with a batch as a whole."""
    return ServiceError(code, message, query_code=f"AWS.SimpleQueueService.{code}")


def namespace(code: str) -> str:
    """What stands before an error's name: the framework's errors end in Exception, the service's own do not."""
    return "com.amazon.coral.service#" if code.endswith("Exception") else "com.amazonaws.sqs#"


def translate(error: UnreadableError) -> ServiceError:
    """A request that does not fit the model."""
    match error:
        case MalformedError():
            return ServiceError("SerializationException", str(error), query_code="MalformedInput")
        case MissingError(name="QueueUrl"):
            return no_queue()
        case MissingError():
            return missing(error.name)
    return invalid(validation_message(error))
