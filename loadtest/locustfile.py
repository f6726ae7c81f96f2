"""What Locust runs: `locust -f loadtest/`. The load itself is in the modules beside it, whose names begin with `_`.

Locust's user holds no load: arrivals follow a schedule, not users. The one user there is shows that a run is on.
"""

import inspect
import logging
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from locust import LoadTestShape, User, events, task
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from loadtest._generator import Generator
from loadtest._live import LiveView
from loadtest._options import add_to
from loadtest._page_port import must_be_free
from loadtest._session import Session
from loadtest._target import TargetError
from loadtest._worker import Worker
from loadtest._worker_pool import WorkerPool
from pipeline.workload_file import WorkloadError

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment
    from locust.runners import Runner

_BEFORE_ITS_RUN = "locust: stopped before its run began"

_sessions: dict[int, Session] = {}
_workers: dict[int, Worker] = {}


def _session(environment: "Environment") -> Session | None:
    """The session of a process that leads a run; a worker has none."""
    return _sessions.get(id(environment))


@events.init_command_line_parser.add_listener
def add_arguments(parser: "LocustArgumentParser") -> None:
    """Add ours to Locust's own arguments."""
    add_to(parser)


@events.init.add_listener
def prepare(environment: "Environment", **_: Any) -> None:
    """Have the target ready before the page opens."""
    # Locust's start takes longer than gevent's clock knows; without this the first sleeps are cut short.
    gevent.get_hub().loop.update_now()
    # Locust looks at its stack as it stops a run. The first look takes some 70 ms: what is due in them left late.
    inspect.stack()
    options = environment.parsed_options
    assert options is not None
    if options.headless:
        # Locust takes care of SIGTERM only when a headless run is over; until then it is another Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    else:
        # Python raises a Ctrl-C in whichever greenlet is at work, a request of the page too, which may swallow it.
        gevent.signal_handler(signal.SIGINT, gevent.kill, gevent.getcurrent(), KeyboardInterrupt)
    if not options.print_stats:
        # Our own lines stand in for Locust's tables and its talk of users.
        options.only_summary = True
        logging.getLogger("locust.stats_logger").setLevel(logging.CRITICAL)
        logging.getLogger("locust.runners").setLevel(logging.WARNING)
        if options.headless:
            logging.getLogger("locust.main").setLevel(logging.WARNING)

    def answered(path: str, latency_ms: float, length: int, failure: Exception | None) -> None:
        environment.events.request.fire(
            request_type="POST",
            name=path,
            response_time=latency_ms,
            response_length=length,
            exception=failure,
            context={},
        )

    runner = environment.runner
    if isinstance(runner, WorkerRunner):

        def silent_s() -> float:
            return time.time() - (runner.last_heartbeat_timestamp or time.time())

        _workers[id(environment)] = Worker(runner, answered, silent_s)
        if options.processes:
            _leave_ctrl_c_to_the_master(_workers[id(environment)])
        return

    def new_generator(most_in_flight: int) -> Generator | WorkerPool:
        if isinstance(runner, MasterRunner):
            return WorkerPool(runner, lambda: _connected(runner), most_in_flight=most_in_flight)
        return Generator(answered, most_in_flight=most_in_flight)

    live = LiveView()
    session = Session(environment, new_generator, [live])
    try:
        if environment.web_ui is not None:
            must_be_free(options.web_host, options.web_port)
        session.prepare()
    except (WorkloadError, TargetError) as error:
        session.end()
        sys.exit(f"locust: {error}")
    except KeyboardInterrupt:
        session.end()
        sys.exit(_BEFORE_ITS_RUN)
    _sessions[id(environment)] = session
    if options.headless:
        assert runner is not None
        _interrupt(gevent.getcurrent(), session, runner)
    if environment.web_ui is not None:
        live.show_in(environment.web_ui)


def _interrupt(main: "gevent.Greenlet", session: Session, runner: "Runner") -> None:
    """Bring a Ctrl-C, or its like, to the greenlet that Locust waits in. Python would tear up any request instead."""

    def interrupted() -> None:
        if session.begun:
            gevent.kill(main, KeyboardInterrupt)
            return
        # While Locust waits for workers it takes none, and would leave those behind that are there.
        session.end()
        runner.quit()
        gevent.kill(main, SystemExit(_BEFORE_ITS_RUN))

    for each in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(each, interrupted)


def _leave_ctrl_c_to_the_master(worker: Worker) -> None:
    """A terminal's Ctrl-C reaches each process. In a run the master breaks it off, and wants the workers' last rows."""

    def interrupted(*_: object) -> None:
        if not worker.in_a_run:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupted)


def _connected(master: MasterRunner) -> list[str]:
    """The ids of the workers that are there, in the order in which they came."""
    there = [node.id for node in master.clients.all if node.state != STATE_MISSING]
    return sorted(there, key=master.get_worker_index)


@events.test_start.add_listener
def start(environment: "Environment", **_: Any) -> None:
    """Start a run."""
    session = _session(environment)
    if session is None:
        return
    session.start()
    assert isinstance(environment.shape_class, OneRun)
    environment.shape_class.begun = True


@events.test_stop.add_listener
def stop(environment: "Environment", **_: Any) -> None:
    """Break the run off, if it has not ended by itself."""
    session = _session(environment)
    if session is not None:
        session.stop()
        if isinstance(environment.runner, MasterRunner):
            # Locust sends the workers away next, and their last rows with them.
            session.wait_until_sent()


@events.quitting.add_listener
def end(environment: "Environment", **_: Any) -> None:
    """Let the run end, and say with what."""
    session = _session(environment)
    if session is not None:
        session.end()
        # Without a run, Locust knows best whether anything went wrong.
        environment.process_exit_code = session.exit_code
    elif (worker := _workers.get(id(environment))) is not None:
        worker.close()
        environment.process_exit_code = 0


@events.quit.add_listener
def say_farewell(**_: Any) -> None:
    """The last lines on the terminal, where the report's own are not: how to come by it."""
    for session in _sessions.values():
        if session.farewell:
            sys.stdout.write(f"\n{session.farewell}\n")


class Client(User):
    """Stands for the load while it runs."""

    @task
    def wait_for_the_end(self) -> None:
        """The dispatcher does the work; stopping the test ends this."""
        Event().wait()


class OneRun(LoadTestShape):
    """Lasts as long as the run."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = False

    def reset_time(self) -> None:
        """Locust calls this, and then `tick`, before it says that a test starts; a master calls it after that, too."""
        super().reset_time()
        self.begun = self.begun and self._is_running()

    def tick(self) -> tuple[int, float] | None:
        """One user until the run has ended."""
        if self.begun and not self._is_running():
            return None
        return 1, 1

    def _is_running(self) -> bool:
        assert self.runner is not None
        session = _session(self.runner.environment)
        return session is not None and session.running
