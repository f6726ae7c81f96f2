import dataclasses

import pytest

from delivery.quotas import Quotas, UnknownQuotaError


def test_every_number_says_where_it_is_from_and_how_sure_it_is():
    for name, entry in Quotas.table().items():
        assert entry.source, name
        assert entry.unit, name
        assert entry.as_of.startswith("20"), name
        assert entry.confidence in {"H", "M", "L"}, name
        assert ("unpublished" in entry.source) == (entry.confidence == "L"), name
        assert getattr(Quotas(), name) == entry.value, name


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("account_concurrency", 1_000, "new accounts get less, but this is the published default"),
        ("environments_per_10_s", 1_000, "since November 2023; '3,000 burst + 500/min' is gone"),
        ("sqs_pollers_per_minute", 300, "since November 2023; it was 60"),
        ("sqs_pollers_max", 1_250, "older texts say 1,000"),
        ("sqs_message_bytes", 1_048_576, "since August 2025; it was 256 KiB"),
        ("async_event_bytes", 1_048_576, "since October 2025; it was 256 KiB"),
        ("kinesis_put_records_bytes", 10_485_760, "since October 2025; it was 5 MiB"),
        ("kinesis_put_records_count", 500, "it is SQS's and SNS's batches that hold 10"),
        ("kinesis_retention_s", 86_400, "a day by default; 7 and 365 days are to be paid for"),
        ("sqs_retention_s", 345_600, "four days by default; 14 are the most"),
        ("sns_message_bytes", 262_144, "by default; a topic may ask for 1 MiB since September 2026"),
        ("sns_messages_per_s", 30_000, "in us-east-1; most Regions have 300"),
        ("kinesis_poll_interval_s", 1.0, "a mapping reads once a second; 4 or 5 are other services"),
        ("rekognition_detect_labels_per_s", 50, "in us-east-1; most Regions have 5"),
    ],
)
def test_numbers_that_are_commonly_wrong_are_todays(name, value, why):
    assert getattr(Quotas(), name) == value, why


def test_a_number_is_overridden_by_its_name():
    quotas = Quotas.with_overrides({"account_concurrency": 10.0, "async_first_retry_s": 1})
    assert quotas.account_concurrency == 10
    assert isinstance(quotas.account_concurrency, int)
    assert quotas.async_first_retry_s == 1.0
    assert quotas.async_second_retry_s == Quotas().async_second_retry_s


def test_an_unknown_name_is_refused_with_the_nearest_ones():
    with pytest.raises(UnknownQuotaError, match="account_concurrency"):
        Quotas.with_overrides({"acount_concurency": 10})
    with pytest.raises(UnknownQuotaError, match="sqs_pollers_max"):
        Quotas.entry("sqs_poller_max")


@pytest.mark.parametrize("name", ["", "zzzz"])
def test_a_name_like_nothing_at_all_is_told_where_the_names_are(name):
    with pytest.raises(UnknownQuotaError, match=f"^there is no quota '{name}'; delivery/quotas.py has their names$"):
        Quotas.with_overrides({name: 1})


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("account_concurrency", -1, "0 or more"),
        ("account_concurrency", 1.5, "whole number"),
        ("async_first_retry_s", float("nan"), "0 or more"),
        ("async_first_retry_s", float("inf"), "0 or more"),
    ],
)
def test_a_value_that_cannot_be_is_refused(name, value, complaint):
    with pytest.raises(ValueError, match=complaint):
        Quotas.with_overrides({name: value})


def test_the_table_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Quotas().account_concurrency = 1
