from collections.abc import Iterator, Mapping, Sequence

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from producers.batch import BatchSender, Entry, Fault, GivenUp, Limits, Patience, Sent

LIMITS = Limits(entries=3, call_bytes=100, entry_bytes=60)
THROTTLE = Fault("Throttled: slow down", retryable=True)
BAD = Fault("InvalidParameter: no", retryable=False)


def entry(number: int, size: int = 10) -> Entry:
    return Entry((f"id{number}",), size, {"number": number})


class Service:
    """Answers each call by script: the faults by position, or an error to raise. Takes all when the script is over."""

    def __init__(self, *script: Mapping[int, Fault] | Exception) -> None:
        self.script = list(script)
        self.calls: list[list[int]] = []

    def __call__(self, batch: Sequence[Entry]) -> Mapping[int, Fault]:
        self.calls.append([each.content["number"] for each in batch])
        answer = self.script.pop(0) if self.script else {}
        if isinstance(answer, Exception):
            raise answer
        return answer


def sender(service: Service, slept: list[float] | None = None, **patience: float) -> BatchSender:
    return BatchSender(
        service,
        LIMITS,
        patience=Patience(**patience),  # type: ignore[arg-type]
        sleep=(slept if slept is not None else []).append,
        uniform=lambda: 0.5,
    )


def test_batches_are_filled_to_the_number_and_to_the_bytes() -> None:
    service = Service()

    sent = sender(service).send_all([entry(n, 10) for n in range(4)] + [entry(n, 60) for n in range(4, 7)])

    assert service.calls == [[0, 1, 2], [3, 4], [5], [6]]
    assert sent == Sent([f"id{n}" for n in range(7)])


def test_only_the_entries_that_were_refused_are_sent_again_and_first() -> None:
    service = Service({1: THROTTLE}, {0: THROTTLE})
    slept: list[float] = []

    sent = sender(service, slept).send_all(entry(n) for n in range(4))

    assert service.calls == [[0, 1, 2], [1, 3], [1]]
    assert sent == Sent(["id0", "id2", "id3", "id1"], retried=2)
    assert slept == [0.5 * 0.1, 0.5 * 0.2]


def test_what_no_retry_mends_is_given_up_at_once_with_the_reason() -> None:
    service = Service({0: BAD})
    slept: list[float] = []

    sent = sender(service, slept).send_all([entry(0), entry(1)])

    assert sent == Sent(["id1"], given_up=[GivenUp("id0", "InvalidParameter: no")])
    assert slept == []


def test_patience_ends_and_says_how_often_it_was_sent() -> None:
    service = Service({0: THROTTLE}, {0: THROTTLE}, {0: THROTTLE})

    sent = sender(service, attempts=3).send_all([entry(0)])

    assert sent == Sent([], retried=2, given_up=[GivenUp("id0", "Throttled: slow down (sent 3 times)")])


def test_an_entry_too_large_is_given_up_without_a_call_and_the_others_are_sent() -> None:
    service = Service()

    sent = sender(service).send_all([entry(0, 61), entry(1, 60)])

    assert service.calls == [[1]]
    assert sent.given_up == [GivenUp("id0", "too large: 61 bytes, at most 60 are taken")]


def client_error(code: str, status: int) -> ClientError:
    response = {"Error": {"Code": code, "Message": "said"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Send")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (client_error("ThrottlingException", 400), True),
        (client_error("RequestThrottled", 403), True),
        (client_error("ProvisionedThroughputExceededException", 400), True),
        (client_error("Unknown", 429), True),
        (client_error("InternalFailure", 500), True),
        (EndpointConnectionError(endpoint_url="http://x"), True),
        (client_error("ResourceNotFoundException", 400), False),
        (client_error("AccessDenied", 403), False),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_call_that_fails_fails_all_its_entries(error: Exception, again: bool) -> None:
    service = Service(error)

    sent = sender(service).send_all([entry(0), entry(1)])

    assert service.calls == ([[0, 1], [0, 1]] if again else [[0, 1]])
    assert sorted(sent.accepted) == (["id0", "id1"] if again else [])
    assert len(sent.given_up) == (0 if again else 2)


def test_entries_are_drawn_only_as_they_are_needed() -> None:
    service = Service()
    drawn = []

    def entries() -> Iterator[Entry]:
        for number in range(9):
            drawn.append(len(service.calls))
            yield entry(number)

    sender(service).send_all(entries())

    assert drawn == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_an_entry_that_fits_in_no_call_is_refused_when_the_sender_is_made() -> None:
    with pytest.raises(ValueError, match="an entry of 11 bytes fits in no call of 10"):
        BatchSender(Service(), Limits(entries=1, call_bytes=10, entry_bytes=11))


faults = st.sampled_from([THROTTLE, BAD])
answers = st.dictionaries(st.integers(0, 2), faults) | st.sampled_from(
    [client_error("ThrottlingException", 400), client_error("AccessDenied", 403)]
)


@given(st.lists(st.integers(1, 70), max_size=30), st.lists(answers, max_size=60), st.integers(1, 5))
def test_every_request_is_accepted_once_or_given_up_and_every_call_keeps_the_limits(
    sizes: list[int], script: list[Mapping[int, Fault] | Exception], attempts: int
) -> None:
    entries = [Entry((f"id{n}a", f"id{n}b"), size, {"number": n}) for n, size in enumerate(sizes)]
    calls: list[tuple[int, ...]] = []
    accepted: list[str] = []

    def post(batch: Sequence[Entry]) -> Mapping[int, Fault]:
        assert 1 <= len(batch) <= LIMITS.entries
        assert sum(each.size for each in batch) <= LIMITS.call_bytes
        assert all(each.size <= LIMITS.entry_bytes for each in batch)
        calls.append(tuple(each.content["number"] for each in batch))
        answer = script.pop(0) if script else {}
        if isinstance(answer, Exception):
            raise answer
        accepted.extend(id_ for at, each in enumerate(batch) if at not in answer for id_ in each.request_ids)
        return {at: fault for at, fault in answer.items() if at < len(batch)}

    patience = Patience(attempts=attempts)
    sent = BatchSender(post, LIMITS, patience=patience, sleep=lambda _: None, uniform=lambda: 0.5).send_all(entries)

    assert sent.accepted == accepted
    ended = sent.accepted + [given.request_id for given in sent.given_up]
    assert sorted(ended) == sorted(id_ for each in entries for id_ in each.request_ids)
    sendings = [number for call in calls for number in call]
    assert all(sendings.count(number) <= attempts for number in sendings)
    assert sent.retried == 2 * (len(sendings) - len(set(sendings)))


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_pause_never_passes_its_ceiling(attempt: int, uniform: float) -> None:
    assert 0 <= Patience().pause(attempt, uniform) <= min(5.0, 0.1 * 2.0 ** min(attempt - 1, 50))
