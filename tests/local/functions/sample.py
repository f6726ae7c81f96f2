"""Handlers for the tests, one for each way an invocation can end."""

import json
import os
import signal
import sys
import time
from pathlib import Path


def ok(event, context):
    return {"echo": event, "request_id": context.aws_request_id, "remaining_ms": context.get_remaining_time_in_millis()}


def nothing(event, context):
    return None


def environment(event, context):
    return dict(os.environ)


def raises(event, context):
    raise RuntimeError('this handler always raises: é \u2028 "quoted"')


def hangs(event, context):
    time.sleep(3600)


def hangs_with_a_child(event, context):
    child = os.fork()
    if child == 0:
        time.sleep(3600)
    Path(event["pid_file"]).write_text(str(child))
    time.sleep(3600)


def exits(event, context):
    os._exit(event.get("status", 3))


def kills_itself(event, context):
    os.kill(os.getpid(), signal.SIGKILL)


def kills_itself_once(event, context):
    """Dies at the first batch it is given, whichever process that is; does the rest. Says what it did in a file."""
    marker = Path(os.environ["MARKER"])
    if not marker.exists():
        marker.write_text("died once")
        os.kill(os.getpid(), signal.SIGKILL)
    _remember(event)


def remembers(event, context):
    _remember(event)


def fails_the_poison(event, context):
    """Names those whose body holds the word poison, in the way of a batch."""
    failed = []
    for record in event["Records"]:
        if "poison" in _body(record):
            failed.append({"itemIdentifier": record.get("messageId") or record["kinesis"]["sequenceNumber"]})
        else:
            _remember({"Records": [record]})
    return {"batchItemFailures": failed}


def gives_back(event, context):
    """Has each message back at once, as a handler does that backs off: all but the good ones, and all the first time.

    Messages that are called deleted it deletes by itself, and names as failed all the same.
    """
    import botocore.session

    sqs = botocore.session.get_session().create_client("sqs")
    url = os.environ["QUEUE_URL"]
    failed = []
    for record in event["Records"]:
        receives = record["attributes"]["ApproximateReceiveCount"]
        with Path(os.environ["DONE"]).open("a") as done:
            done.write(f"{record['body']}:{receives}\n")
        if record["body"] == "deleted":
            sqs.delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])
        elif record["body"] == "good" or (record["body"] == "late" and receives == "2"):
            continue
        else:
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0)
        failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def answers(event, context):
    return event["answer"]


def answers_much(event, context):
    return "x" * (7 * 1024 * 1024)


def waits_for_the_marker(event, context):
    """Answers an API only once the marker is there, and says so in its file."""
    while not Path(os.environ["MARKER"]).exists():
        time.sleep(0.01)
    with Path(os.environ["DONE"]).open("a") as done:
        done.write(event["requestContext"]["requestId"] + "\n")
    return {"statusCode": 201, "body": json.dumps(event)}


def prints(event, context):
    sys.stdout.write("a line of the handler\n")
    sys.stderr.write("another, to stderr\n")


def _remember(event):
    with Path(os.environ["DONE"]).open("a") as done:
        for record in event["Records"]:
            done.write(_body(record) + "\n")


def _body(record):
    if "Sns" in record:
        return record["Sns"]["Message"]
    if "kinesis" in record:
        import base64

        return base64.b64decode(record["kinesis"]["data"]).decode()
    return record["body"]


def is_json(event, context):
    return json.loads("[1]")
