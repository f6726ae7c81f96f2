"""The session: what one start of Locust holds from its first run to its end, and how Locust's events reach it."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gevent

from loadtest._authentication import AT_HAND, Showing
from loadtest._benchmark import Benchmark
from loadtest._embedded_target import OWN_COMMAND, EmbeddedTarget
from loadtest._http_target import HttpTarget
from loadtest._progress import Progress
from loadtest._repeats import Repeats
from loadtest._run_folders import must_be_writable
from loadtest._stack_target import StackTarget
from loadtest._target import TargetError
from loadtest._url_target import UrlTarget
from loadtest._workload import Workload, read
from pipeline.workload_file import WorkloadError, find
from producers.authentication import NONE

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from locust.env import Environment

    from loadtest._generator import Generator
    from loadtest._observation import Observer
    from loadtest._target import Target
    from loadtest._worker_pool import WorkerPool

_FOREBAY: Final = Path(OWN_COMMAND.split()[0])


class Session:
    """One target at a time, one run at a time; another may follow from Locust's page.

    `new_generator` makes what sends a run, given how many requests may be in flight.
    """

    def __init__(
        self,
        environment: "Environment",
        new_generator: "Callable[[int], Generator | WorkerPool]",
        observers: "Sequence[Observer]" = (),
    ) -> None:
        self._environment = environment
        self._new_generator = new_generator
        self._observers: list[Observer] = [Progress(sys.stdout), *observers]
        self._target: Target | None = None
        self._aim: tuple[object, ...] = ()
        self._benchmark: Benchmark | None = None
        self._stopping = False
        self._running: gevent.Greenlet | None = None
        self.exit_code: int | None = None
        self.farewell = ""

    @property
    def begun(self) -> bool:
        """Whether there was a run, or is one."""
        return self._running is not None

    @property
    def running(self) -> bool:
        """Whether a run is going on, its report included."""
        return self._running is not None and not self._running.dead

    def prepare(self) -> None:
        """Read the workload and have the target ready, so that what is wrong is said before the first run.

        Raises:
            WorkloadError: the workload is not as it should be, or its runs cannot be written.
            TargetError: the target does not start.
        """
        workload = self._workload()
        self._new_repeats()
        target = self._take_aim(workload)
        try:
            must_be_writable(Path(self._options.runs))
        except OSError as error:
            raise WorkloadError(f"--runs: {error}. Give another folder") from None
        if isinstance(target, EmbeddedTarget):
            for observer in self._observers:
                observer.phase("starting the embedded AWS")
        target.open(workload)

    def start(self) -> None:
        """Start a run, after the one before has ended."""
        before = self._running
        self._running = gevent.spawn(self._run, before)

    def stop(self) -> None:
        """Break the present run off, and repeat it no more; its report is made of what there is."""
        self._stopping = True
        if self.running and self._benchmark is not None:
            self._benchmark.stop()

    def wait_until_sent(self) -> None:
        """Return once the present run wants nothing more of its workers."""
        if self.running and self._benchmark is not None:
            self._benchmark.wait_until_sent()

    def end(self) -> None:
        """Stop everything and wait for it."""
        try:
            self.stop()
            if self._running is not None:
                try:
                    self._running.join()
                except KeyboardInterrupt:
                    # Asked a second time: what is on record stays, and nothing more is made of it.
                    self._running.kill()
        finally:
            if self._target is not None:
                self._target.close()

    def _run(self, before: "gevent.Greenlet | None") -> None:
        if before is not None:
            before.join()
        self.exit_code = 1
        self._stopping = False
        try:
            repeats = self._new_repeats()
            valid = self._run_once(repeats)
            while repeats.more and not self._stopping:
                for observer in self._observers:
                    observer.phase(f"repeat {repeats.begun + 1} of {repeats.wanted}")
                valid = self._run_once(repeats) and valid
            if repeats.path is not None:
                repeats.ended()
                valid = self._report(repeats.path) and valid
        except (WorkloadError, TargetError, OSError) as error:
            for observer in self._observers:
                observer.ended((str(error),))
            return
        self.exit_code = 0 if valid and not repeats.more else 1

    def _run_once(self, repeats: Repeats) -> bool:
        """One run and its report; whether it is valid."""
        self._benchmark = benchmark = self._new_benchmark()
        repeats.began(benchmark.folder)
        if self._stopping:
            benchmark.stop()
        benchmark.run()
        return self._report(benchmark.folder.path) and not benchmark.faults

    def _new_repeats(self) -> Repeats:
        options = self._options
        if options.repeat < 1:
            raise WorkloadError(f"--repeat {options.repeat}: a run takes place once or more")
        if options.most_in_flight < 1:
            raise WorkloadError(f"--most-in-flight {options.most_in_flight}: nothing would ever be sent")
        return Repeats(Path(options.runs), options.repeat)

    def _new_benchmark(self) -> Benchmark:
        options = self._options
        workload = self._workload()
        return Benchmark(
            workload,
            self._take_aim(workload),
            self._new_generator(options.most_in_flight),
            Path(options.runs),
            self._observers,
        )

    def _report(self, run: Path) -> bool:
        """Make the report, in a process of its own: what it needs is large and slow to load."""
        later = f"forebay report {run}"
        if self._options.no_report:
            self.farewell = f"The run is in {run}; its report: {later}"
            return True
        for observer in self._observers:
            observer.phase("making the report")
        # Until it is made: a second Ctrl-C ends this here.
        self.farewell = f"The report was not made. The run is in {run}; its report: {later}"
        made = subprocess.run([_FOREBAY, "report", run], check=False)  # noqa: S603 (our own command)
        if made.returncode:
            for observer in self._observers:
                observer.phase("the report could not be made")
            self.farewell = f"The report could not be made. The run is in {run}; try again: {later}"
            return False
        for observer in self._observers:
            observer.reported(run / "report.html")
        self.farewell = ""
        return True

    def _workload(self) -> Workload:
        return read(find(self._options.workload))

    def _take_aim(self, workload: Workload) -> "Target":
        """The target that the options name for this workload; the one at hand if they name it still."""
        options = self._options
        host = self._environment.host or None
        aim = (host, options.stack or None, options.embedded, options.authentication, workload.route is None)
        if self._target is None or aim != self._aim:
            if self._target is not None:
                self._target.close()
            if host and options.stack:
                raise TargetError("--host and --stack are two targets; give one of them")
            if options.authentication and not host:
                raise TargetError("a stack says itself what it asks of callers; --authentication goes with --host")
            if workload.route is not None:
                if not host:
                    raise TargetError(
                        f"the workload {workload.name} goes to the route {workload.route} of some HTTP server; "
                        "say which with --host URL"
                    )
                self._target = HttpTarget(host, Showing(options.authentication or NONE))
            elif options.stack:
                self._target = StackTarget(options.stack)
            elif host:
                self._target = UrlTarget(host, Showing(options.authentication or AT_HAND))
            else:
                self._target = EmbeddedTarget(options.embedded)
            self._aim = aim
        return self._target

    @property
    def _options(self) -> "Namespace":
        options: Namespace | None = self._environment.parsed_options
        assert options is not None
        return options
