"""What a record needs from its sender to the function where nothing waits, beside what AWS's rules say: fitted.

Of a buffer's way AWS documents the rules that delivery/ keeps (a shard is polled once a second), and no time that the
network, the API call and the invocation take. These are fitted to what one person measured in one Region in 2022
(`simulator/calibration/published.yaml`), four quantiles a buffer: confidence L. `simulator.calibration.fitting` says
how, docs/calibration.md how well. A scenario has them by `transit_ms: published`.
"""

from collections.abc import Mapping
from typing import Final

from simulator.duration import Transit
from simulator.scenario import Buffer

# A poll that misses its record finds it at the next one (Lambda developer guide, with-kinesis: once a second).
_POLL_MS: Final = 1_000.0

PUBLISHED: Final[Mapping[Buffer, Transit]] = {
    "sns": Transit(base_ms=55.1, tail_ms=19.6, tail_sigma=0.96),
    "sqs": Transit(base_ms=13.1, tail_ms=3.19, tail_sigma=1.45),
    "sqs-fifo": Transit(base_ms=23.6, tail_ms=1.93, tail_sigma=2.4),
    "kinesis": Transit(base_ms=146.0, rare=0.0131, rare_ms=_POLL_MS),
    "kinesis-efo": Transit(base_ms=0.0, tail_ms=2.73, tail_sigma=1.24),
}
