"""What a reader is told: why a request was given up, what lies in a place, and what a replay has done."""

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pipeline.units import count, duration, listed
from producers.redrive.letter import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from producers.redrive.letter import Letter
    from producers.redrive.listing import Listed, Listing
    from producers.redrive.replay import Replayed

# AWS's words for why it gave something up.
_CONDITIONS: Final = {
    "MaxReceiveCountExceeded": "received as often as its queue allows, and never done",
    "RetriesExhausted": "failed as often as Lambda tries",
    "EventAgeExceeded": "waited in Lambda's queue for as long as it may",
    "RetryAttemptsExhausted": "its batch failed as often as the mapping tries",
    "GivenUp": "tried as often as callbacks are, or refused for good",
    "RecordAgeExceeded": "stood in the stream for as long as the mapping takes it",
}
_LONGEST_REASON: Final = 160
_UNKNOWN: Final = "not known"


def reason_of(letter: "Letter") -> str:
    """Why a letter was given up: AWS's word and what it means, and what the function said."""
    condition = letter.condition
    parts = []
    if condition is not None:
        meaning = _CONDITIONS.get(condition)
        parts.append(shown(condition) if meaning is None else f"{meaning} ({condition})")
    if letter.error is not None:
        parts.append(shown(letter.error, _LONGEST_REASON))
    return ": ".join(parts) or _UNKNOWN


def listing_words(listing: "Listing", *, now: float, longest: int) -> str:
    """A place in words: what it holds, for which reasons, the newest requests, and what is left alone.

    Of the two last at most `longest` lines each, 0 for all of them.
    """
    lines = [_heading(listing)]
    reasons = Counter(each.reason for each in listing.requests)
    lines += [f"  {count(number, 'request')}: {reason}" for reason, number in reasons.most_common()]
    if listing.requests:
        lines += _table(listing.requests, now, longest)
    if listing.foreign:
        lines.append("  Left alone, for it cannot be sent:")
        some = listing.foreign[:longest] if longest else listing.foreign
        lines += [f"    {shown(each.letter)}: {each.problem}" for each in some]
        lines += _more(len(listing.foreign) - len(some))
    if listing.unseen:
        lines.append(f"  {_unseen(listing.unseen)}")
    return "\n".join(lines)


def _heading(listing: "Listing") -> str:
    if not listing.letters:
        return f"{listing.title}: empty"
    done = sum(each.done for each in listing.requests)
    sent = sum(each.sent and not each.done for each in listing.requests)
    parts = [count(len(listing.requests), "request")]
    if done:
        parts.append(f"{count(done)} of them {listing.done_because}")
    if sent:
        parts.append(f"{count(sent)} of them sent by a replay before")
    return f"{listing.title}: {count(listing.letters, 'letter')} with {', '.join(parts)}"


def _table(requests: "list[Listed]", now: float, longest: int) -> "Iterator[str]":
    newest = sorted(requests, key=lambda each: _since(each) or 0.0, reverse=True)
    some = newest[:longest] if longest else newest
    width = max(len("request"), *(len(shown(each.request_id, 64)) for each in some))
    yield f"    {'request':<{width}}  {'accepted (UTC)':<19}  {'ago':>12}  {'given up (UTC)':<19}  {'tried':>5}  is"
    for each in some:
        state = "done" if each.done else "sent before" if each.sent else "dead"
        ago = "" if each.accepted_at is None else duration(1_000 * (now - each.accepted_at))
        yield (
            f"    {shown(each.request_id, 64):<{width}}  {_moment(each.accepted_at):<19}  {ago:>12}"
            f"  {_moment(each.given_up_at):<19}  {each.tries if each.tries is not None else '':>5}  {state}"
        )
    yield from _more(len(requests) - len(some))


def _more(number: int) -> "list[str]":
    return [f"    ... and {count(number)} more: --limit 0 shows all"] if number > 0 else []


def _since(listed_request: "Listed") -> float | None:
    return listed_request.given_up_at if listed_request.accepted_at is None else listed_request.accepted_at


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        # A record may name any number as its time.
        return "no date"


def replayed_words(replayed: "Replayed", *, dry_run: bool) -> str:
    """What a replay has done, or would do, with a place."""
    would = "would be " if dry_run else ""
    parts = []
    if replayed.sent:
        parts.append(f"{count(replayed.sent, 'request')} {would}sent")
    if replayed.done:
        parts.append(f"{count(replayed.done)} {would}only removed ({replayed.done_because})")
    if replayed.repeated:
        parts.append(f"{count(replayed.repeated)} {would}not sent again")
    if replayed.returned:
        parts.append(f"{count(replayed.returned)} sent and given up again since, or there twice: replay again")
    if replayed.failed:
        parts.append(f"{count(len(replayed.failed))} could not be sent")
    lines = [f"{replayed.title}: {listed(parts) or 'nothing chosen lies there'}"]
    if replayed.removed or replayed.kept:
        stay = f"; {count(replayed.kept)} {'would stay' if dry_run else 'stay'}" if replayed.kept else ""
        lines.append(f"  {count(replayed.removed, 'letter')} {would}removed{stay}")
    if replayed.left_alone:
        holds = count(replayed.left_alone, "letter holds", "letters hold")
        lines.append(f"  {holds} what cannot be sent; `forebay redrive show` says why")
    lines += [f"  not sent: {shown(each.name, 64)}: {shown(each.reason)}" for each in replayed.failed]
    lines += [
        f"  sent, but not removed: {shown(each.name)}: {shown(each.reason)}; replay again, which removes it once its "
        "result is there"
        for each in replayed.not_removed
    ]
    if replayed.unseen:
        lines.append(f"  {_unseen(replayed.unseen)}: replay again")
    return "\n".join(lines)


def _unseen(number: int) -> str:
    return (
        f"about {count(number, 'further message')} could not be seen: in hand of another reader, or of a replay that "
        "was killed, for up to 15 minutes, or in a FIFO queue behind the first ones of a message group"
    )
