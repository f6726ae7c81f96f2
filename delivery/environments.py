"""A function's concurrency: execution environments, how fast they may grow, and what an account shares out."""

import math
from collections import deque

from delivery.protocol import Refusal, Slot
from delivery.quotas import Quotas
from delivery.token_bucket import TokenBucket


class ConcurrencyError(ValueError):
    """A reservation the account cannot give; the text says what it could."""


class Account:
    """The concurrency that all functions of an account and Region share.

    Reserved concurrency is taken out of the pool for good; functions without it draw on what is left.
    """

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._reserved = 0
        self._pool_used = 0

    @property
    def pool(self) -> int:
        """Concurrency that is not reserved for any function."""
        return self._quotas.account_concurrency - self._reserved

    @property
    def left(self) -> int:
        """Concurrency of the pool that is not in use."""
        return self._quotas.account_concurrency - self._reserved - self._pool_used

    def reserve(self, concurrency: int) -> None:
        """Set concurrency aside for one function.

        Raises:
            ConcurrencyError: less than the quota `account_unreserved_min` would stay unreserved; PutFunctionConcurrency
                refuses it too.
        """
        left = self.pool - self._quotas.account_unreserved_min
        if not 0 <= concurrency <= max(left, 0):
            raise ConcurrencyError(
                f"a reserved concurrency of {concurrency} is not to be had: of the account's "
                f"{self._quotas.account_concurrency}, {self._reserved} are reserved and "
                f"{self._quotas.account_unreserved_min} must stay unreserved; reserve {max(left, 0)} at most, "
                "or raise the quota account_concurrency"
            )
        self._reserved += concurrency

    def take_upto(self, wanted: int) -> int:
        """Take concurrency out of the pool; says how much there was, `wanted` at most."""
        left = self._quotas.account_concurrency - self._reserved - self._pool_used
        taken = wanted if wanted < left else max(left, 0)
        self._pool_used += taken
        return taken

    def give_back(self, count: int = 1) -> None:
        """Return so many to the pool."""
        self._pool_used -= count


class Environments:
    """One function's execution environments; keeps `delivery.protocol.Capacity`.

    An environment runs one invocation at a time. The one used last is reused first, so that those a spike left over
    grow old and are stopped; one that sat idle for `environment_idle_s` is not used again, whether it was stopped yet
    or not. How long a cold start takes is the driver's to know.

    Args:
        account: the account it draws on.
        quotas: growth (`environments_per_10_s`, refilled continuously) and `environment_idle_s`.
        reserved: reserved concurrency, ceiling and floor; None to draw on the account's pool.

    Raises:
        ConcurrencyError: the account cannot reserve that much.
    """

    def __init__(self, account: Account, quotas: Quotas, reserved: int | None = None) -> None:
        if reserved is not None:
            account.reserve(reserved)
        self._account = account
        self._reserved = reserved
        self._idle_s = quotas.environment_idle_s
        self._growth = TokenBucket(quotas.environments_per_10_s / 10, quotas.environments_per_10_s)
        # Warm ones and since when they are idle, the one used last at the end.
        self._idle: deque[tuple[Slot, float]] = deque()
        self._aged: list[int] = []
        self._running = 0
        self._started = 0

    @property
    def running(self) -> int:
        """Environments with an invocation in them: the concurrency in use."""
        return self._running

    @property
    def idle(self) -> int:
        """Environments that are warm and wait for work."""
        return len(self._idle)

    @property
    def reserved(self) -> bool:
        """Whether it has a reservation of its own."""
        return self._reserved is not None

    @property
    def most(self) -> int:
        """The concurrency this function can reach: its reservation, or all that nobody has reserved."""
        return self._account.pool if self._reserved is None else self._reserved

    def acquire_upto(self, now: float, wanted: int) -> list[Slot]:
        """Take as many environments as can be had, warm ones first; a short list is a throttle."""
        if self._reserved is None:
            granted = self._account.take_upto(wanted)
        else:
            granted = min(wanted, self._reserved - self._running)
        if granted <= 0:
            return []
        idle = self._idle
        if idle and idle[0][1] + self._idle_s <= now:
            self._age(now)
        if granted == 1:
            # As mostly where invocations end one by one.
            if idle:
                slot = idle.pop()[0]
            elif self._growth.take(now, 1):
                slot = Slot(self._started, cold=True)
                self._started += 1
            else:
                self._give_back(1)
                return []
            self._running += 1
            return [slot]
        slots = [idle.pop()[0] for _ in range(min(granted, len(idle)))]
        if len(slots) < granted:
            cold = self._growth.take_upto(now, granted - len(slots))
            slots.extend([Slot(number, cold=True) for number in range(self._started, self._started + cold)])
            self._started += cold
            self._give_back(granted - len(slots))
        self._running += len(slots)
        return slots

    def release(self, now: float, slot: Slot, *, lost: bool = False) -> None:
        """Give one back. It stays warm, unless `lost`: then the next invocation needs a new one."""
        self._running -= 1
        if self._reserved is None:
            self._account.give_back()
        if not lost:
            self._idle.append((Slot(slot.environment, cold=False) if slot.cold else slot, now))

    def exhausted(self) -> bool:
        """Whether all the concurrency it can have is in use: growth is not what it lacks."""
        if self._reserved is None:
            return self._account.left <= 0
        return self._running >= self._reserved

    def refusal(self) -> Refusal:
        """Why `acquire_upto` has just been short, in the words of Lambda's 429 (Lambda API, ThrottleReason).

        Which of them stands for the growth of a function is not published: a rate that is exceeded, we assume.
        """
        own = self._reserved is not None
        if self.exhausted():
            return Refusal.RESERVED_CONCURRENCY if own else Refusal.CONCURRENCY
        return Refusal.RESERVED_INVOCATION_RATE if own else Refusal.INVOCATION_RATE

    def expire(self, now: float) -> list[int]:
        """Environments that sat idle too long, for the driver to stop; they are gone from here."""
        self._age(now)
        stopped, self._aged = self._aged, []
        return stopped

    def forget(self, environment: int) -> None:
        """Strike out an idle environment whose process has died by itself."""
        self._idle = deque(entry for entry in self._idle if entry[0].environment != environment)
        self._aged = [number for number in self._aged if number != environment]

    def expire_at(self) -> float:
        """When `expire` will next have one to stop: long ago if it has one now, infinity if none is idle."""
        if self._aged:
            return -math.inf
        return self._idle[0][1] + self._idle_s if self._idle else math.inf

    def _give_back(self, count: int) -> None:
        if self._reserved is None:
            self._account.give_back(count)

    def _age(self, now: float) -> None:
        while self._idle and self._idle[0][1] + self._idle_s <= now:
            self._aged.append(self._idle.popleft()[0].environment)
