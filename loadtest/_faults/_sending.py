"""The sending of one buffer's load: each request at its own time, whatever is answered, by threads."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipeline.request import Measurement
from pipeline.run import REQUEST_COLUMNS
from producers.api_error import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest._schedule import Schedule
    from pipeline.request import Buffer, StoredImage
    from pipeline.run import RowWriter
    from producers.http import ApiClient

# At ten to twenty requests a second that are answered in milliseconds; a gateway that is gone refuses at once.
_AT_ONCE: Final = 24
_LONGEST_ERROR: Final = 200
_ACCEPTED: Final = 202


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one request is sent with. `name` is what its row calls the image."""

    image: "bytes | StoredImage"
    name: str
    callback_url: str | None = None


class Sending:
    """Sends a schedule through a buffer from `starts_at` on, seconds since the epoch, and writes a row a request.

    `accepted` is told the id and the number of each request that is answered 202, in one of its threads.
    """

    def __init__(
        self,
        cell: str,
        buffer: "Buffer",
        run_id: str,
        schedule: "Schedule",
        parcel_of: "Callable[[int], Parcel]",
        client: "ApiClient",
        rows: "RowWriter",
        accepted: "Callable[[str, int], None]",
    ) -> None:
        self._cell = cell
        self._buffer = buffer
        self._run_id = run_id
        self._schedule = schedule
        self._parcel_of = parcel_of
        self._client = client
        self._rows = rows
        self._told = accepted
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.offered = 0
        self.accepted = 0

    @property
    def done(self) -> bool:
        """Whether all that was due is sent and answered."""
        return self._thread is not None and not self._thread.is_alive()

    def start(self, starts_at: float) -> None:
        """Begin; `starts_at` is second 0 of the schedule."""
        self._thread = threading.Thread(target=self._send_all, args=(starts_at,), name=f"send {self._cell}")
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more, and wait for the answers that are due."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _send_all(self, starts_at: float) -> None:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix=f"send {self._cell}") as pool:
            for number, second in zip(self._schedule.sequences, self._schedule.times, strict=True):
                if self._stopped.wait(max(0.0, starts_at + second - time.time())):
                    return
                pool.submit(self._send, number, (starts_at + second) * 1_000)

    def _send(self, number: int, intended_at: float) -> None:
        parcel = self._parcel_of(number)
        sent_at = time.time() * 1_000
        request_id, status, error = None, _ACCEPTED, None
        try:
            ticket = self._client.accept(
                self._buffer,
                parcel.image,
                Measurement(self._run_id, number, round(intended_at, 3)),
                callback_url=parcel.callback_url,
            )
            request_id = ticket.request_id
        except ApiError as refused:
            status, error = refused.status, str(refused)[:_LONGEST_ERROR]
        row: dict[str, Any] = {
            "buffer": self._cell,
            "sequence": number,
            "intended_at": intended_at,
            "sent_at": sent_at,
            "responded_at": time.time() * 1_000 if status else None,
            "status": status,
            "request_id": request_id,
            "error": error,
            "image": parcel.name,
            "bytes": len(parcel.image) if isinstance(parcel.image, bytes) else None,
        }
        with self._lock:
            self._rows.write(*(row.get(column) for column in REQUEST_COLUMNS))
            self.offered += 1
            self.accepted += request_id is not None
        if request_id is not None:
            self._told(request_id, number)
