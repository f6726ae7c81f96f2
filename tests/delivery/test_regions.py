import pytest

from delivery.quotas import Quotas, UnknownQuotaError
from delivery.regions import REGIONS, UnknownRegionError, quotas_in, regional_quotas


@pytest.mark.parametrize(
    ("region", "messages_per_s", "why"),
    [
        ("us-east-1", 30_000, "the largest"),
        ("us-west-2", 9_000, "the second tier"),
        ("eu-west-1", 9_000, "the second tier"),
        ("us-east-2", 1_500, "the third tier"),
        ("eu-central-1", 1_500, "the third tier"),
        ("ap-northeast-1", 1_500, "the third tier"),
        ("eu-west-3", 300, "all others"),
        ("sa-east-1", 300, "all others"),
    ],
)
def test_the_publish_quota_depends_on_the_region(region, messages_per_s, why):
    assert quotas_in(region).sns_messages_per_s == messages_per_s, why


@pytest.mark.parametrize(
    ("region", "rate", "burst", "why"),
    [
        ("us-east-1", 10_000, 5_000, "the default"),
        ("eu-west-2", 10_000, 5_000, "not every Region outside the large ones is a small one"),
        ("eu-south-1", 2_500, 1_250, "Milan is one of the thirteen"),
        ("il-central-1", 2_500, 1_250, "Tel Aviv is one of the thirteen"),
    ],
)
def test_small_regions_have_a_quarter_of_the_api_throttle(region, rate, burst, why):
    quotas = quotas_in(region)
    assert (quotas.api_requests_per_s, quotas.api_burst_requests) == (rate, burst), why


def test_thirteen_regions_are_small():
    assert sum("api_requests_per_s" in regional_quotas(region) for region in REGIONS) == 13


def test_rekognition_is_ten_times_faster_in_three_regions():
    fast = [region for region in REGIONS if quotas_in(region).rekognition_detect_labels_per_s == 50]
    assert fast == ["eu-west-1", "us-east-1", "us-west-2"]
    assert quotas_in("eu-central-1").rekognition_detect_labels_per_s == 5


@pytest.mark.parametrize(
    ("region", "megabytes_per_s"),
    [("us-east-1", 10_000), ("us-west-2", 10_000), ("eu-west-1", 10_000), ("us-east-2", 200), ("eu-central-1", 200)],
)
def test_an_on_demand_stream_grows_to_10_gb_a_second_in_three_regions_and_to_200_mb_elsewhere(region, megabytes_per_s):
    assert quotas_in(region).kinesis_on_demand_bytes_per_s == megabytes_per_s * 1e6


def test_the_tables_own_region_is_us_east_1():
    assert quotas_in("us-east-1") == Quotas()


def test_every_regional_number_is_one_of_the_table_and_says_where_it_is_from():
    for region in REGIONS:
        for name, entry in regional_quotas(region).items():
            assert name in Quotas.table()
            assert entry.source
            assert entry.confidence == "H"


def test_an_override_goes_before_the_region():
    assert quotas_in("eu-west-3", {"sns_messages_per_s": 7}).sns_messages_per_s == 7
    with pytest.raises(UnknownQuotaError, match="sns_messages_per_s"):
        quotas_in("eu-west-3", {"sns_message_per_s": 7})


def test_an_unknown_region_is_refused_with_the_nearest_ones_or_where_all_are():
    with pytest.raises(UnknownRegionError, match="eu-west-1"):
        quotas_in("eu-wst-1")
    with pytest.raises(UnknownRegionError, match=r"^there is no Region 'zzzz'; delivery/regions\.py has their names$"):
        quotas_in("zzzz")
