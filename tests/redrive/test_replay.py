"""The replay: whatever is interrupted, nothing is lost, and nothing is sent twice but what was in hand."""

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.batch import BatchSender, Entry, Fault, Limits, Patience
from producers.redrive.choice import Choice
from producers.redrive.letter import DeadRequest, Letter
from producers.redrive.place import Place
from producers.redrive.replay import Replay, Replayed

TOGETHER = 3


class Killed(BaseException):
    """The process is gone: nothing that follows is done."""


@dataclass
class Stack:
    """What outlasts a replay: letters, the journal, results, and all that was ever sent. Dies after `steps` steps.

    `fails` says how often a request that was sent is given up once more, which takes no time, before it is answered.
    """

    letters: dict[str, tuple[str, ...]]
    keeps_notes: bool
    fails: dict[str, int] = field(default_factory=dict)
    results: set[str] = field(default_factory=set)
    journal: dict[str, frozenset[str]] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    steps: int | None = None
    released: bool = False
    answers: bool = False

    def step(self) -> None:
        """One call of AWS's is about to be made."""
        if self.steps is not None:
            if self.steps == 0:
                raise Killed
            self.steps -= 1

    # ---- a letterbox

    def count(self) -> int:
        return len(self.letters)

    unseen = count

    def release(self) -> None:
        self.released = True

    def letters_of(self) -> Iterator[Sequence[Letter]]:
        given: set[str] = set()
        there = list(self.letters)
        while names := [name for name in (there if self.keeps_notes else self.letters) if name not in given][:TOGETHER]:
            self.step()
            given.update(names)
            yield [self.letter(name) for name in names]

    def letter(self, name: str) -> Letter:
        requests = [DeadRequest(request_id, request_id) for request_id in self.letters[name]]
        return Letter(name, name, requests, "RetriesExhausted", sent=self.journal.get(name, frozenset()))

    def note(self, letter: Letter, sent: frozenset[str]) -> None:
        self.step()
        assert self.keeps_notes
        self.journal[letter.name] = sent

    def remove(self, letters: Sequence[Letter]) -> dict[str, str]:
        self.step()
        for letter in letters:
            del self.letters[letter.name]
        return {}

    # ---- where they go

    def post(self, batch: Sequence[Entry]) -> dict[int, Fault]:
        self.step()
        faults = {}
        for position, entry in enumerate(batch):
            (request_id,) = entry.request_ids
            if self.refused.get(request_id, 0):
                self.refused[request_id] -= 1
                faults[position] = Fault("throttled", retryable=True)
            else:
                self.sent.append(request_id)
                self.work(request_id)
        return faults

    def work(self, request_id: str) -> None:
        """The buffer's function works a request off, or gives it up."""
        if self.fails.get(request_id, 0):
            self.fails[request_id] -= 1
            self.letters[f"again{len(self.sent)}"] = (request_id,)
        elif self.answers:
            self.results.add(request_id)

    def done(self, request_ids: Collection[str]) -> set[str]:
        self.step()
        return self.results & set(request_ids)

    def place(self) -> Place:
        class Box:
            keeps_notes, grows = self.keeps_notes, not self.keeps_notes
            count, unseen, note, remove, release = self.count, self.unseen, self.note, self.remove, self.release
            letters = staticmethod(self.letters_of)

        return Place(
            name="kinesis",
            title="Test",
            letterbox=Box(),
            entry=lambda request: Entry((request.request_id,), 1, {}),
            sender=BatchSender(
                self.post, Limits(10, 100, 10), patience=Patience(attempts=2), sleep=lambda _: None, uniform=lambda: 0
            ),
            done=self.done,
            done_because="with their result by now",
        )

    def replay(self, **more: object) -> Replayed:
        replay = Replay(self.place(), Choice(0.0), dry_run=False, **more)  # type: ignore[arg-type]
        replay.run()
        return replay.replayed


ids = st.sampled_from([f"r{number}" for number in range(8)])
queue_letters = st.dictionaries(st.integers(0, 30).map("m{}".format), st.tuples(ids), max_size=12)
bucket_letters = st.dictionaries(
    st.integers(0, 30).map("o{}".format), st.lists(ids, min_size=1, max_size=4).map(tuple), max_size=8
)


@given(
    laid=st.one_of(st.tuples(st.just(False), queue_letters), st.tuples(st.just(True), bucket_letters)),
    kills=st.lists(st.integers(0, 12), max_size=4),
    done=st.sets(ids),
    done_between=st.sets(ids),
)
def test_a_replay_that_is_killed_anywhere_and_run_again_loses_nothing_and_sends_again_only_what_it_had_in_hand(
    laid: tuple[bool, dict[str, tuple[str, ...]]], kills: list[int], done: set[str], done_between: set[str]
) -> None:
    keeps_notes, letters = laid
    stack = Stack(dict(letters), keeps_notes, results=set(done))
    all_ids = {request_id for each in letters.values() for request_id in each}
    for kill in kills:
        stack.steps, before = kill, Counter(stack.sent)
        with contextlib.suppress(Killed):
            stack.replay()
        # Within one replay nothing is sent twice, in however many letters it lies.
        assert all(number == 1 for number in (Counter(stack.sent) - before).values())
        stack.results |= done_between & set(stack.sent)
    stack.steps, before = None, Counter(stack.sent)

    replayed = stack.replay()

    assert replayed.whole
    assert set(stack.sent) | done == all_ids | done
    assert not set(stack.sent) & done
    assert not set(Counter(stack.sent) - before) & stack.results
    assert all(number <= 1 + len(kills) for number in Counter(stack.sent).values())

    stack.results |= set(stack.sent)
    before = Counter(stack.sent)
    stack.replay()
    assert stack.letters == {}
    assert Counter(stack.sent) == before


@given(
    laid=st.one_of(st.tuples(st.just(False), queue_letters), st.tuples(st.just(True), bucket_letters)),
    fails=st.dictionaries(ids, st.integers(1, 3)),
    kills=st.lists(st.integers(0, 12), max_size=4),
)
def test_a_request_that_is_given_up_again_while_the_replay_goes_on_is_not_taken_for_a_copy(
    laid: tuple[bool, dict[str, tuple[str, ...]]], fails: dict[str, int], kills: list[int]
) -> None:
    keeps_notes, letters = laid
    stack = Stack(dict(letters), keeps_notes, dict(fails), answers=True)
    all_ids = {request_id for each in letters.values() for request_id in each}
    for steps in [*kills, *[None] * 8]:
        stack.steps, before = steps, Counter(stack.sent)
        with contextlib.suppress(Killed):
            stack.replay()
        # It ends, although what it sends comes back at once.
        assert all(number == 1 for number in (Counter(stack.sent) - before).values())
        here = {request_id for each in stack.letters.values() for request_id in each}
        assert here | stack.results >= all_ids

    assert stack.results == all_ids
    assert stack.letters == {}


@pytest.mark.parametrize("keeps_notes", [False, True])
def test_what_was_removed_or_noted_before_the_kill_is_not_sent_again(keeps_notes: bool) -> None:
    letters = {f"l{number}": (f"r{number}",) for number in range(9)}
    stack = Stack(letters, keeps_notes)
    # A round is letters, results, sending, removing: the second one dies before its removal.
    stack.steps = 7
    with pytest.raises(Killed):
        stack.replay()
    assert stack.released

    stack.steps = None
    stack.replay()

    assert Counter(stack.sent) == Counter(
        [f"r{number}" for number in range(9)] + [f"r{number}" for number in (3, 4, 5)]
    )


def test_what_a_buffer_refuses_to_the_end_stays_and_the_rest_goes() -> None:
    stack = Stack({"a": ("r1",), "b": ("r2",)}, keeps_notes=False, refused={"r1": 99})

    replayed = stack.replay()

    assert [(each.name, each.reason) for each in replayed.failed] == [("r1", "throttled (sent 2 times)")]
    assert not replayed.whole
    assert list(stack.letters) == ["a"]
    assert stack.sent == ["r2"]


def test_of_a_batch_of_which_one_is_refused_the_others_are_noted_and_not_sent_again() -> None:
    stack = Stack({"a": ("r1", "r2", "r3")}, keeps_notes=True, refused={"r2": 2})

    first, again = stack.replay(), stack.replay()

    assert (first.sent, len(first.failed), first.kept) == (2, 1, 1)
    assert (again.sent, again.repeated, again.removed) == (1, 2, 1)
    assert Counter(stack.sent) == Counter(["r1", "r2", "r3"])


def test_a_stop_ends_the_letters_in_hand_and_begins_no_others() -> None:
    stack = Stack({f"l{number}": (f"r{number}",) for number in range(9)}, keeps_notes=False)
    gone_through: list[int] = []

    replayed = stack.replay(stopped=lambda: len(gone_through) == 2, progress=gone_through.append)

    assert gone_through == [TOGETHER, TOGETHER]
    assert replayed.sent == replayed.removed == 6
    assert len(stack.letters) == 3
    assert stack.released


def test_a_letter_that_could_not_be_removed_is_told_and_goes_with_its_result() -> None:
    stack = Stack({"a": ("r1",)}, keeps_notes=False)
    place = stack.place()
    place.letterbox.remove = lambda letters: {each.name: "ReceiptHandleIsInvalid" for each in letters}  # type: ignore[method-assign]
    replay = Replay(place, Choice(0.0), dry_run=False)
    replay.run()

    assert [(each.name, each.reason) for each in replay.replayed.not_removed] == [("a", "ReceiptHandleIsInvalid")]
    assert (replay.replayed.sent, replay.replayed.removed, replay.replayed.whole) == (1, 0, False)

    stack.results.add("r1")
    assert (stack.replay().done, stack.sent) == (1, ["r1"])


LETTER = Letter(
    "name",
    "handle",
    [DeadRequest("r1", "x", accepted_at=900.0)],
    "RetriesExhausted",
    "out of time: ThrottlingException: Slow down",
    given_up_at=950.0,
)
CHOICES: list[tuple[str, Callable[[Letter], Letter], dict[str, object], bool]] = [
    ("nothing asked for takes all", lambda letter: letter, {}, True),
    ("its id", lambda letter: letter, {"request_ids": frozenset({"r1", "r2"})}, True),
    ("another id", lambda letter: letter, {"request_ids": frozenset({"r2"})}, False),
    ("a part of the error, in any case", lambda letter: letter, {"reason": "THROTTLING"}, True),
    ("AWS's word for it", lambda letter: letter, {"reason": "retriesexhausted"}, True),
    ("the words for it", lambda letter: letter, {"reason": "as often as Lambda tries"}, True),
    ("another reason", lambda letter: letter, {"reason": "EventAge"}, False),
    ("exactly as old", lambda letter: letter, {"older_than_s": 100.0}, True),
    ("not as old", lambda letter: letter, {"older_than_s": 101.0}, False),
    ("young enough", lambda letter: letter, {"younger_than_s": 100.0}, True),
    ("too old", lambda letter: letter, {"younger_than_s": 99.0}, False),
    ("within two ages", lambda letter: letter, {"older_than_s": 50.0, "younger_than_s": 150.0}, True),
    ("all have to hold", lambda letter: letter, {"request_ids": frozenset({"r1"}), "reason": "EventAge"}, False),
    (
        "when it was given up, where nobody knows when it was accepted",
        lambda letter: replace(letter, requests=[DeadRequest("r1", "x")]),
        {"older_than_s": 60.0},
        False,
    ),
    (
        "no age at all is no age to choose by",
        lambda letter: replace(letter, requests=[DeadRequest("r1", "x")], given_up_at=None),
        {"younger_than_s": 1e9},
        False,
    ),
]


@pytest.mark.parametrize(("make", "asked", "taken"), [row[1:] for row in CHOICES], ids=[row[0] for row in CHOICES])
def test_a_choice_takes_what_all_of_it_holds_for(
    make: Callable[[Letter], Letter], asked: dict[str, object], taken: bool
) -> None:
    letter = make(LETTER)
    assert Choice(1_000.0, **asked).takes(letter, letter.requests[0]) is taken  # type: ignore[arg-type]
    assert Choice(1_000.0, **asked).everything is not bool(asked)  # type: ignore[arg-type]
