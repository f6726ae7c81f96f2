from pipeline.request import InlineImage, Measurement, Request
from producers.submission import Stamp, Submission


def test_a_stamp_gives_the_buffer_the_id_and_the_producers_time() -> None:
    ids = iter(["a", "b"])
    stamp = Stamp("sqs", now=lambda: 1732400000.1234567, new_id=lambda: next(ids))
    measurement = Measurement("r1", 7, 1732400000100.5)

    assert stamp.request(Submission(InlineImage(b"x"), measurement)) == Request(
        "a", 1732400000123.457, "sqs", InlineImage(b"x"), measurement
    )
    assert stamp.request(Submission(InlineImage(b"x"))).request_id == "b"


def test_no_two_requests_have_one_id() -> None:
    stamp = Stamp("sns")

    assert len({stamp.request(Submission(InlineImage(b"x"))).request_id for _ in range(1_000)}) == 1_000
