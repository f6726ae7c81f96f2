"""One server for all examples of a run, which closes it at its end: its thread would keep the process alive."""

from tests.wire.test_survival import Served


class _Once:
    def __init__(self) -> None:
        self._served: Served | None = None

    def get(self) -> Served:
        """The server, started when it is first asked for."""
        if self._served is None:
            # Patient enough for any honest example, and not longer than a watchdog is.
            self._served = Served(body_s=2.0)
        # What an example sent is of no interest to the next one.
        self._served.service.seen.clear()
        return self._served

    def close(self) -> None:
        """Stop it, if it was started."""
        if self._served is not None:
            served, self._served = self._served, None
            served.close()


SERVED = _Once()
