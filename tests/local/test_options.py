import pytest

from delivery.quotas import Quotas
from local.embedded import Options


@pytest.mark.parametrize(
    ("options", "concurrency", "rate", "why"),
    [
        (Options(), 10, 50.0, "a new account's concurrency, a large Region's Rekognition"),
        (Options(account_concurrency=20, rekognition_rate=5), 20, 5.0, "an option of its own is a quota"),
        (Options(quotas={"rekognition_detect_labels_per_s": 7}), 10, 7.0, "so is one named as a quota"),
        (Options(account_concurrency=20, quotas={"account_concurrency": 30}), 30, 50.0, "which goes first"),
    ],
)
def test_an_option_that_is_a_quota_stands_in_the_table(
    options: Options, concurrency: int, rate: float, why: str
) -> None:
    table = options.quota_table()
    assert (table.account_concurrency, table.rekognition_detect_labels_per_s) == (concurrency, rate), why
    assert table.sqs_pollers_max == Quotas().sqs_pollers_max
