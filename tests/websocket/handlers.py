"""A handler for a real process: answers, pushes, refuses, fails and remembers, as a message asks."""

import json
import os
from pathlib import Path

import botocore.session


def converse(event, context):
    context_of_event = event["requestContext"]
    connection_id = context_of_event["connectionId"]
    with Path(os.environ["DONE"]).open("a") as done:
        done.write(f"{context_of_event['routeKey']} {connection_id}\n")
    if context_of_event["eventType"] == "CONNECT":
        return {"statusCode": 401 if "stranger" in event.get("queryStringParameters", {}) else 200}
    if context_of_event["routeKey"] == "push":
        backend = botocore.session.get_session().create_client(
            "apigatewaymanagementapi", endpoint_url=os.environ["WEBSOCKET_ENDPOINT"]
        )
        backend.post_to_connection(ConnectionId=connection_id, Data=json.dumps({"pushed": event["body"]}).encode())
    if context_of_event["routeKey"] == "ask":
        return {"statusCode": 200, "body": json.dumps({"answered": event["body"]})}
    if context_of_event["routeKey"] == "fail":
        os._exit(3)
    return {"statusCode": 200}
