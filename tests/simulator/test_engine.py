from delivery.protocol import End, Facts
from simulator.engine import Observed


def test_what_a_machine_says_is_summed_up_over_all_it_was_asked():
    seen = Observed()
    seen.add(1.0, Facts(done=[1, 2], received=3, throttled=4, cold_starts=1, dropped=2))
    seen.add(2.0, Facts(done=[3], received=1, throttled=1, cold_starts=1, dropped=5, expired=[(4, End.RETENTION)]))
    assert (seen.done, seen.received, seen.throttles, seen.cold_starts, seen.dropped) == (3, 4, 5, 2, 7)
    assert seen.gone == [(4, 2.0, End.RETENTION, False)]
