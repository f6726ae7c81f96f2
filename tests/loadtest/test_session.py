from argparse import Namespace
from types import SimpleNamespace

import gevent

from loadtest._session import Session


class Target:
    closed = False

    def close(self):
        self.closed = True


def test_a_second_ctrl_c_ends_what_the_first_left_to_be_finished():
    session = Session(SimpleNamespace(parsed_options=Namespace()), new_generator=lambda _: None)
    session._target = target = Target()
    session._running = report = gevent.spawn(gevent.sleep, 3_600)
    # It comes while the end waits for the report.
    gevent.spawn(gevent.kill, gevent.getcurrent(), KeyboardInterrupt)

    session.end()

    assert report.dead
    assert target.closed
