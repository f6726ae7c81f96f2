"""`simulate`: from a scenario to what it shows."""

from collections.abc import Callable

from simulator.result import Result
from simulator.scenario import Scenario


def simulate(scenario: Scenario, progress: Callable[[float], None] = lambda _: None) -> Result:
    """Run a scenario on the virtual clock. The same scenario, the same result.

    `progress` is told now and then what share of the work is done, 0 to 1.

    Raises:
        ValueError: a setting AWS refuses too; the text says which and what it takes.
        UnknownQuotaError: `quotas` names none of the table.
    """
    raise NotImplementedError
