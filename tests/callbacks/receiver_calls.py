"""Calls to the receiver to test with, by the notifier's own POST and nothing but what the receiver says of itself."""

import base64
import json
import ssl
import time
from collections.abc import Mapping

from consumers.callback_post import Outcome, Poster
from pipeline.callback_signature import signed, signing_key
from pipeline.callback_url import TestReceiver
from producers.receiver_certificate import ReceiverCertificate

SECRET = base64.b64encode(b"s" * 33).decode()
OTHER = base64.b64encode(b"o" * 33).decode()
BODY = json.dumps(
    {"request_id": "r1", "status": "SUCCEEDED", "labels": [{"name": "Café", "confidence": 99.0}]}
).encode()
AMPLE_S = 60.0


def poster(parameters: Mapping[str, str]) -> Poster:
    """One that trusts the receiver of these parameters and nobody else, which spares it the system's authorities."""
    return Poster(
        ports=frozenset({443}),
        resolve=lambda name, timeout_s: [],
        trust=ssl.create_default_context(cadata=ReceiverCertificate.fresh("nobody.test").certificate),
        test_receiver=TestReceiver.from_text(parameters["CallbackTestReceiver"]),
        test_certificate=parameters["CallbackTestCertificate"],
    )


def called(parameters: Mapping[str, str], secret: str = SECRET) -> Outcome:
    headers = signed([signing_key(secret)], message_id="r1", timestamp_s=int(time.time()), body=BODY)
    return poster(parameters).post("https://receiver.test/hook", BODY, headers, time.monotonic() + AMPLE_S)
