"""The groups of a load: which partition key, or FIFO message group, each request names, and how unevenly."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

if TYPE_CHECKING:
    from pipeline.document import Value

Skew = Literal["uniform", "zipf", "hot"]
SKEWS: Final[tuple[Skew, ...]] = get_args(Skew)
_KNOWN: Final = ("number", "skew", "exponent", "share")
_OF: Final = {"exponent": "zipf", "share": "hot"}
_MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Groups:
    """So many groups, g0 the one most often named.

    With skew zipf, the k-th is named in proportion to k ** -exponent; with hot, g0 by that share of all requests and
    the others equally by the rest.
    """

    number: int
    skew: Skew = "uniform"
    exponent: float = 1.0
    share: float = 0.5

    @property
    def weights(self) -> list[float]:
        """How often each is named, in proportion."""
        if self.skew == "zipf":
            return [rank**-self.exponent for rank in range(1, self.number + 1)]
        if self.skew == "hot":
            return [self.share] + [(1 - self.share) / (self.number - 1)] * (self.number - 1)
        return [1.0] * self.number


def read_groups(value: "Value") -> Groups:
    """Read the groups of a workload.

    Raises:
        DocumentError: they are not as docs/workloads.md says.
    """
    values = value.keys(_KNOWN, ("number",))
    skew = cast("Skew", values["skew"].choice(SKEWS)) if "skew" in values else "uniform"
    number = values["number"].whole(2 if skew == "hot" else 1)
    if number > _MOST:
        raise values["number"].error(f"{number} is more than {_MOST:,}")
    for key, of in _OF.items():
        if key in values and skew != of:
            raise values[key].error(f"only the skew {of} has it, and this is {skew}")
    exponent = values["exponent"].number(above=True) if "exponent" in values else 1.0
    if exponent > 10:
        raise values["exponent"].error(f"{exponent:g} is more than 10: that is one group alone")
    share = values["share"].number(above=True) if "share" in values else 0.5
    if share >= 1:
        raise values["share"].error(f"{share:g} is not less than 1, the part of all requests that name the hot group")
    return Groups(number, skew, exponent, share)
