"""The quotas that AWS sets by Region, where they differ from the table's defaults (which are us-east-1's)."""

from collections.abc import Mapping
from difflib import get_close_matches

from delivery.quotas import Quota, Quotas

_API_SOURCE = "API Gateway quotas, limits"
_SNS_SOURCE = "SNS endpoints and quotas"
_REKOGNITION_SOURCE = "Rekognition endpoints and quotas"
_ON_DEMAND_SOURCE = "Kinesis developer guide, how-do-i-size-a-stream"

REGIONS = (
    "af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 "
    "ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 "
    "eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1 "
    "me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2"
).split()

# Cape Town, Milan, Jakarta, UAE, Hyderabad, Melbourne, Spain, Zurich, Tel Aviv, Calgary, Malaysia, Thailand, Mexico.
_SMALL_API_REGIONS = frozenset(
    "af-south-1 eu-south-1 ap-southeast-3 me-central-1 ap-south-2 ap-southeast-4 eu-south-2 eu-central-2 il-central-1 "
    "ca-west-1 ap-southeast-5 ap-southeast-7 mx-central-1".split()
)
_SMALL_API = {
    "api_requests_per_s": Quota(2_500.0, "requests/s", _API_SOURCE, "H", raisable=True),
    "api_burst_requests": Quota(1_250, "requests", _API_SOURCE, "H"),
}

_SNS_RATES = {"us-east-1": 30_000.0, "us-west-2": 9_000.0, "eu-west-1": 9_000.0} | dict.fromkeys(
    "us-east-2 us-west-1 ap-south-1 ap-northeast-2 ap-southeast-1 ap-southeast-2 ap-northeast-1 eu-central-1".split(),
    1_500.0,
)
_SNS_RATE_ELSEWHERE = 300.0

_LARGEST = ("us-east-1", "us-west-2", "eu-west-1")
_REKOGNITION_RATES = dict.fromkeys(_LARGEST, 50.0)
_REKOGNITION_RATE_ELSEWHERE = 5.0
_ON_DEMAND_RATES = dict.fromkeys(_LARGEST, 10e9)
_ON_DEMAND_RATE_ELSEWHERE = 200e6


class UnknownRegionError(KeyError):
    """A Region that is not in the table; the text gives the nearest ones, or where all are."""

    def __str__(self) -> str:
        return str(self.args[0])


def regional_quotas(region: str) -> dict[str, Quota]:
    """The entries of the quota table that a Region has a value of its own for, by name.

    Raises:
        UnknownRegionError: there is no such Region.
    """
    if region not in REGIONS:
        near = get_close_matches(region, REGIONS, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "delivery/regions.py has their names"
        raise UnknownRegionError(f"there is no Region {region!r}; {hint}")
    sns = _SNS_RATES.get(region, _SNS_RATE_ELSEWHERE)
    rekognition = _REKOGNITION_RATES.get(region, _REKOGNITION_RATE_ELSEWHERE)
    on_demand = _ON_DEMAND_RATES.get(region, _ON_DEMAND_RATE_ELSEWHERE)
    return {
        "kinesis_on_demand_bytes_per_s": Quota(on_demand, "bytes/s, stream", _ON_DEMAND_SOURCE, "H", raisable=True),
        "sns_messages_per_s": Quota(sns, "messages/s, account and Region", _SNS_SOURCE, "H", raisable=True),
        "rekognition_detect_labels_per_s": Quota(rekognition, "calls/s", _REKOGNITION_SOURCE, "H", raisable=True),
        **(_SMALL_API if region in _SMALL_API_REGIONS else {}),
    }


def quotas_in(region: str, overrides: Mapping[str, float] | None = None) -> Quotas:
    """The quota table of a Region, with some numbers changed by name.

    Raises:
        UnknownRegionError: there is no such Region.
        UnknownQuotaError: no number has that name.
        ValueError: a number cannot be, see `Quotas.with_overrides`.
    """
    values = {name: entry.value for name, entry in regional_quotas(region).items()}
    return Quotas.with_overrides(values | dict(overrides or {}))
