"""The dispatcher: sends requests at the times of a schedule, whatever the answers do (the open model).

One greenlet keeps the time and starts another for each request that is due. A request that finds the client or the
server busy does not hold back the next, and its latency counts from when it was meant to leave.
"""

from typing import TYPE_CHECKING, Final

import gevent

from loadtest._counts import Counts
from loadtest._turn import TurnClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtest._follower import Follower
    from loadtest._sender import Sender
    from loadtest._turn import Turn
    from pipeline.run import RowWriter

# A request in flight is a connection and a greenlet. Locust raises the limit of open files to 10,000.
MOST_IN_FLIGHT: Final = 4_096
# How long a turn that is stopped waits for answers.
GRACE_S: Final = 5.0


class Dispatcher:
    """Runs one turn.

    `answered` is told of each answer: milliseconds since the intended start, bytes, failure. `accepted` is told the
    sequence and the id of each request that was accepted. The `follower`, if there is one, waits for results.
    """

    def __init__(
        self,
        turn: "Turn",
        sender: "Sender",
        rows: "RowWriter",
        answered: "Callable[[float, int, Exception | None], None]",
        accepted: "Callable[[int, str], None]",
        *,
        counts: Counts | None = None,
        follower: "Follower | None" = None,
        most_in_flight: int = MOST_IN_FLIGHT,
        grace_s: float = GRACE_S,
    ) -> None:
        self.counts = counts or Counts()
        self._turn = turn
        self._sender = sender
        self._rows = rows
        self._answered = answered
        self._accepted = accepted
        self._follower = follower
        self._most_in_flight = most_in_flight
        self._grace_s = grace_s
        self._sending: dict[int, gevent.Greenlet] = {}
        self._clock = TurnClock(turn)

    def run(self) -> None:
        """Send every request at its time, and return when each has its answer or has timed out, and is followed.

        Killed, it sends nothing more, and waits a little for what is in flight: a request without its answer is one of
        which nobody knows whether it was accepted.
        """
        try:
            self._pace()
            gevent.joinall(list(self._sending.values()))
            if self._follower is not None:
                self._follower.join()
        except gevent.GreenletExit:
            gevent.joinall(list(self._sending.values()), timeout=self._grace_s)
        finally:
            self._stop()
            if self._follower is not None:
                self._follower.stop()
            self._sender.close()
            self._rows.flush()

    def _pace(self) -> None:
        times = self._turn.schedule.times
        sending = self._sending
        counts = self.counts
        second = self._clock.second
        index, end = 0, len(times)
        while index < end:
            due = second()
            while index < end and times[index] <= due:
                counts.offered += 1
                if len(sending) < self._most_in_flight:
                    counts.in_flight += 1
                    sending[index] = gevent.spawn(self._send, index)
                else:
                    counts.dropped += 1
                    self._record(index, error=f"dropped: {self._most_in_flight} requests were in flight")
                index += 1
            if index < end:
                gevent.sleep(max(0.0, times[index] - second()))

    def _send(self, index: int) -> None:
        turn = self._turn
        sent, answered, responded = self._clock.second(), None, None
        error: str | None = None
        try:
            answered = self._sender.send(index)
            responded, error = self._clock.second(), answered.error
        except gevent.GreenletExit:
            error = "stopped before it was answered"
        finally:
            del self._sending[index]
            self._count(0 if answered is None else answered.status, accepted=answered is not None and answered.accepted)
            self._record(
                index,
                sent=sent,
                responded=responded,
                status=0 if answered is None else answered.status,
                request_id=None if answered is None else answered.request_id,
                error=error,
            )
        if answered is None or responded is None:
            return
        if answered.request_id is not None:
            self._accepted(turn.schedule.sequences[index], answered.request_id)
        if answered.ticket is not None and self._follower is not None:
            self._follower.follow(index, answered.ticket, self._clock.ms(responded))
        self._answered(self._clock.ms(responded) - turn.intended_ms(index), answered.length, answered.failure)

    def _count(self, status: int, *, accepted: bool = False) -> None:
        self.counts.in_flight -= 1
        if accepted:
            self.counts.accepted += 1
        elif status:
            self.counts.rejected += 1
        else:
            self.counts.unanswered += 1

    def _record(
        self,
        index: int,
        *,
        sent: float | None = None,
        responded: float | None = None,
        status: int = 0,
        request_id: str | None = None,
        error: str | None = None,
    ) -> None:
        turn = self._turn
        image = turn.image(index)
        self._rows.write(
            turn.way.name,
            turn.schedule.sequences[index],
            turn.intended_ms(index),
            None if sent is None else self._clock.ms(sent),
            None if responded is None else self._clock.ms(responded),
            status,
            request_id,
            error,
            image.name,
            len(image.data),
            turn.schedule.group(index),
        )

    def _stop(self) -> None:
        gevent.killall(list(self._sending.values()))
        # A greenlet killed before its first step has recorded nothing.
        for index in sorted(self._sending):
            self._count(0)
            self._record(index, error="stopped before it was sent")
        self._sending.clear()
