import pytest

from loadtest._way import Way, of_buffers, of_patterns


def test_a_buffer_is_a_way_that_is_called_like_it():
    assert of_buffers(["sns", "kinesis-efo"]) == (Way("sns", "sns"), Way("kinesis-efo", "kinesis-efo"))
    assert Way("sns", "sns").path == "/v1/sns/images"


@pytest.mark.parametrize(
    ("pattern", "ways"),
    [
        ("sync", [Way("sync", None, "sync")]),
        ("polling", [Way("polling", "sqs", "polling"), Way("polling-handler", "sqs", "polling", None, "handler")]),
        (
            "polling-0.25s",
            [
                Way("polling-0.25s", "sqs", "polling", 0.25),
                Way("polling-0.25s-handler", "sqs", "polling", 0.25, "handler"),
            ],
        ),
        (
            "callback",
            [Way("callback", "sqs", "callback"), Way("callback-handler", "sqs", "callback", None, "handler")],
        ),
        ("websocket", [Way("websocket", "sqs", "websocket", None, "handler")]),  # a function stands in it anyhow
    ],
)
def test_a_pattern_goes_by_each_door_if_it_has_two(pattern, ways):
    assert list(of_patterns([pattern], "sqs", ["proxy", "handler"])) == ways


def test_the_names_of_ways_tell_their_door_whichever_comes_first():
    assert [way.name for way in of_patterns(["callback"], "sqs", ["handler", "proxy"])] == [
        "callback-handler", "callback",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["", "poll", "polling-", "polling-0s", "polling-1", "polling--1s", "polling-1e9s", "Sync"]
)
def test_what_is_no_pattern_is_refused(name):
    with pytest.raises(ValueError, match=r"is none of sync, polling, polling-<seconds>s, callback, websocket"):
        of_patterns([name], "sqs", ["proxy"])


@pytest.mark.parametrize(
    ("way", "path"),
    [
        (Way("sync", None, "sync"), "/v1/sync/images"),
        (Way("callback", "kinesis", "callback"), "/v1/kinesis/images"),
        (Way("callback-handler", "kinesis", "callback", None, "handler"), "/v1/handler/kinesis/images"),
        (Way("websocket", "sqs", "websocket", None, "handler"), ""),
    ],
)
def test_a_way_has_its_route(way, path):
    assert way.path == path


def test_run_json_tells_of_a_way_what_it_has():
    assert Way("sync", None, "sync").to_json() == {"pattern": "sync", "through": None}
    assert Way("polling", "sqs", "polling", None, "handler").to_json() == {
        "pattern": "polling", "through": "sqs", "interval_s": None, "door": "handler",
    }  # fmt: skip
