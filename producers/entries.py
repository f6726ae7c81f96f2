"""The answer of SendMessageBatch and PublishBatch, which have the same form: entries by the Id they were sent with."""

from typing import TYPE_CHECKING, Any

from producers.batch import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def entry_faults(
    sent: int, successful: "Iterable[Mapping[str, Any]]", failed: "Iterable[Mapping[str, Any]]"
) -> dict[int, Fault]:
    """The faults by position, where Ids are positions. An entry that is in neither list was not accepted."""
    faults = dict.fromkeys(range(sent), Fault("the answer does not name it", retryable=True))
    for entry in failed:
        reason = f"{entry['Code']}: {entry.get('Message', '')}"
        faults[int(entry["Id"])] = Fault(reason, retryable=not entry["SenderFault"] or "Throttl" in entry["Code"])
    for entry in successful:
        del faults[int(entry["Id"])]
    return faults
