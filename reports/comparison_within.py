"""The noise within a run, where each side has only one: what can be told of a difference without a repeat.

Requests that wait in one queue are not independent, so that their number says little. What is resampled are blocks of
time: a non-overlapping block bootstrap (Carlstein 1986). Both runs had the same schedule, so that a block is the same
arrivals in both, and the same blocks are drawn for both: what the schedule makes of each is not taken for noise.

A block has to be longer than requests have to do with each other. The turn is cut into a thousand slots; how many
more requests than expected were slow in each slot of A, less the same of B, is a series whose integrated
autocorrelation time (Sokal 1997, its window five times as long) says for how long. A block is ten times that.

A spike that all wait behind is one event, however many they are. So no call is made where the turn is shorter than
twenty blocks, nor where the noise comes from few of them: with d a block's sum of that series, (sum d^2)^2 / sum d^4 is
about a third of as many independent, alike blocks as would make the same noise, and has to be seven. Three times that
are the degrees of freedom of Student's t.

Nothing of this sees what differs between two runs as a whole, such as the machine's speed that day. Only repeats do.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from reports.comparison_evidence import Evidence, NoEvidence, half_width, proportion, two_sided

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Whole = npt.NDArray[np.int64]

SLOTS: Final = 1_000
LEAST_BLOCKS: Final = 20
LEAST_PARTICIPATION: Final = 7.0
TIMES_AS_LONG: Final = 10
_WINDOW: Final = 5
_RESAMPLES: Final = 500
# A resampled quantile lies this many standard errors from the quantile at the most, and is told this finely.
_REACH: Final = 12
_GRID: Final = 400
# The standard normal distribution has this part of it below one standard deviation.
_ONE_SIGMA: Final = 0.8413447460685429


@dataclass(frozen=True, slots=True)
class Requests:
    """What each request of a turn came to.

    `at` are seconds from the turn's first intended send, `values` what is measured: ms, infinite for what never ended;
    or how many events of one kind the request had.
    """

    at: "Floats"
    values: "Floats"


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The turn cut into `number` blocks of `slots` slots, `seconds` each. `freedom` is what their noise is known by."""

    number: int
    slots: int
    seconds: float
    freedom: float

    def of(self, slot: "Whole") -> "Whole":
        """The block that each slot lies in; the last has what is left over."""
        return np.minimum(slot // self.slots, self.number - 1)


def within_quantile(a: Requests, b: Requests, p: "Fraction", margin: float = 0.0) -> Evidence | NoEvidence:
    """What the requests of one run a side say of the change of a p-quantile."""
    span = _span(a, b)
    slots_a, slots_b = _slots(a, span), _slots(b, span)
    value_a, value_b = _quantile(a.values, p), _quantile(b.values, p)
    if not (0 < value_a < math.inf and 0 < value_b < math.inf):
        return NoEvidence("the quantile falls among requests that never ended")
    # By each run's own quantile: that one is slower throughout is the difference, not its noise.
    slow_a, slow_b = _excess(a, slots_a, value_a), _excess(b, slots_b, value_b)
    blocks = _blocks(slow_b - slow_a, span)
    if isinstance(blocks, NoEvidence):
        return blocks
    drawn = _draws(blocks.number)
    logs = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for side, slots, slow in ((a, slots_a, slow_a), (b, slots_b, slow_b)):
            logs.append(np.log(_resampled(side.values, blocks.of(slots), slow, blocks, drawn, p)))
        ratios = np.sort(np.nan_to_num(logs[1] - logs[0], nan=math.inf, posinf=math.inf, neginf=-math.inf))
    # The middle two thirds: a few resamples beyond the last that ended do not spoil it.
    low, high = ratios[int((1 - _ONE_SIGMA) * _RESAMPLES)], ratios[int(_ONE_SIGMA * _RESAMPLES)]
    if not (math.isfinite(low) and math.isfinite(high)):
        return NoEvidence("the quantile lies too near to requests that never ended")
    error = float(high - low) / 2
    log_ratio = math.log(value_b / value_a)
    p_value = two_sided(lambda factor: log_ratio - math.log(factor), error, blocks.freedom, margin)
    half = half_width(error, blocks.freedom)
    return Evidence(
        proportion(log_ratio), proportion(log_ratio - half), proportion(log_ratio + half), relative=True,
        # By so coarse a clock that no resample differed, all that is known is that a difference is as rare as that.
        p=p_value if error else max(p_value, 1 / (_RESAMPLES + 1)), block_s=blocks.seconds,
    )  # fmt: skip


def within_count(a: Requests, b: Requests, margin: float = 0.0) -> Evidence | NoEvidence:
    """What the requests of one run a side say of the change of a number of events."""
    span = _span(a, b)
    slots_a, slots_b = _slots(a, span), _slots(b, span)
    each_a, each_b = (_by_slot(slots, side.values) for slots, side in ((slots_a, a), (slots_b, b)))
    blocks = _blocks(each_b - each_a, span)
    if isinstance(blocks, NoEvidence):
        return blocks
    # Of a sum the bootstrap's error is known without drawing: that of a sum of independent blocks.
    error = float(np.std(_by_block(each_b - each_a, blocks.number, blocks.slots), ddof=1)) * math.sqrt(blocks.number)
    events_a, events_b = float(each_a.sum()), float(each_b.sum())
    p_value = two_sided(lambda factor: events_b - events_a * factor, error, blocks.freedom, margin)
    half, difference = half_width(error, blocks.freedom), events_b - events_a
    return Evidence(
        difference, difference - half, difference + half, relative=False,
        p=p_value, block_s=blocks.seconds,
    )  # fmt: skip


def correlation_time(series: "Floats") -> float:
    """For how many steps a series has to do with itself: 1 where each step stands by itself."""
    centred = series - series.mean()
    n = len(centred)
    power = np.abs(np.fft.rfft(centred, 2 * n)) ** 2
    products = np.fft.irfft(power)[:n]
    if products[0] <= 1e-12 * n:
        return 1.0
    times = 2 * np.cumsum(products / products[0]) - 1
    wide_enough = np.arange(n) >= _WINDOW * times
    return max(1.0, float(times[int(np.argmax(wide_enough)) if wide_enough.any() else n - 1]))


def _span(a: Requests, b: Requests) -> float:
    return max(float(side.at.max(initial=0.0)) for side in (a, b)) or 1.0


def _slots(side: Requests, span: float) -> "Whole":
    return np.minimum((side.at / span * SLOTS).astype(np.int64), SLOTS - 1)


def _blocks(series: "Floats", span: float) -> _Blocks | NoEvidence:
    slots = math.ceil(TIMES_AS_LONG * correlation_time(series))
    number = SLOTS // slots
    seconds = slots * span / SLOTS
    if number < LEAST_BLOCKS:
        return NoEvidence(
            f"requests less than {seconds:.3g} s apart have to do with each other, and the turn has {number} such "
            f"stretches where {LEAST_BLOCKS} are needed: it is one event more than many; repeat both"
        )
    squares = (_by_block(series - series.mean(), number, slots)) ** 2
    participation = float(squares.sum() ** 2 / (squares**2).sum()) if squares.any() else 0.0
    if participation < LEAST_PARTICIPATION:
        return NoEvidence(
            f"what decides it took place in so few stretches of {seconds:.3g} s that it is one event more than many; "
            "repeat both"
        )
    return _Blocks(number, slots, seconds, min(number - 1, 3 * participation))


def _by_block(series: "Floats", number: int, slots: int) -> "Floats":
    return np.asarray(np.bincount(np.minimum(np.arange(SLOTS) // slots, number - 1), series, number), np.float64)


def _by_slot(slots: "Whole", values: "Floats") -> "Floats":
    return np.asarray(np.bincount(slots, values, SLOTS), np.float64)


def _rank(p: "Fraction", n: int) -> int:
    return math.ceil(p * n)


def _quantile(values: "Floats", p: "Fraction") -> float:
    rank = _rank(p, len(values)) - 1
    return float(np.partition(values, rank)[rank]) if len(values) else math.nan


def _excess(side: Requests, slots: "Whole", value: float) -> "Floats":
    """For each slot, how many more of its requests lay above the quantile than by their number would; at it, a half."""
    above = ((side.values > value) + (side.values >= value)) / 2
    return _by_slot(slots, above - float(above.mean()))


def _draws(number: int) -> "Floats":
    """How often each block is drawn in each resample: as many draws as there are blocks. Always the same."""
    drawn = np.random.default_rng(number).multinomial(number, np.full(number, 1 / number), size=_RESAMPLES)
    return np.asarray(drawn, np.float64)


def _resampled(
    values: "Floats", block: "Whole", slow: "Floats", blocks: _Blocks, drawn: "Floats", p: "Fraction"
) -> "Floats":
    """The quantile of each resample."""
    n = len(values)
    by_block = _by_block(slow, blocks.number, blocks.slots)
    reach = _REACH * (float(np.std(by_block)) * math.sqrt(blocks.number) + math.sqrt(n * float(p * (1 - p))))
    order = np.argsort(values, kind="stable")
    # Only values near the quantile matter one by one; those above and below only count.
    ranks = np.unique(np.linspace(max(1, n * float(p) - reach), min(n, n * float(p) + reach), _GRID).astype(np.int64))
    grid = values[order[ranks - 1]]
    cell = np.searchsorted(grid, values, side="left")
    counts = np.bincount(cell * blocks.number + block, minlength=(len(grid) + 1) * blocks.number)
    counts = counts[: (len(grid) + 1) * blocks.number].reshape(len(grid) + 1, blocks.number)
    # In floats, which processors multiply by the block.
    below = np.cumsum(counts.astype(np.float64) @ drawn.T, axis=0)
    needed = np.ceil(float(p) * below[-1] - 1e-9)
    reached = np.argmax(below >= needed, axis=0)
    return np.asarray(np.append(grid, math.inf)[reached], np.float64)
