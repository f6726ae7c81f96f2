import pytest

from pipeline.settings import NotificationSettings, Settings, SettingsError, SyncSettings

GOOD = {
    "RESULTS_TABLE": "results",
    "RESULT_TTL_DAYS": "7",
    "MIN_CONFIDENCE": "55.5",
    "MAX_LABELS": "10",
    "IN_BATCH_CONCURRENCY": "5",
}


def test_the_environment_of_infra_yaml_is_read() -> None:
    assert Settings.from_environment({**GOOD, "PATH": "/bin"}) == Settings("results", 7, 55.5, 10, 5)


@pytest.mark.parametrize("name", sorted(GOOD))
@pytest.mark.parametrize("value", [None, "", "  "], ids=["missing", "empty", "blank"])
def test_a_variable_that_is_not_set_names_itself_and_the_cure(name: str, value: str | None) -> None:
    environment = {key: text for key, text in GOOD.items() if key != name}
    if value is not None:
        environment[name] = value

    with pytest.raises(SettingsError, match=f"the variable {name} is not set: set it to .*, as infra.yaml does"):
        Settings.from_environment(environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("RESULT_TTL_DAYS", "0", id="nothing would be kept"),
        pytest.param("RESULT_TTL_DAYS", "7.5", id="no whole number"),
        pytest.param("RESULT_TTL_DAYS", "week", id="no number"),
        pytest.param("MIN_CONFIDENCE", "101", id="over 100 percent"),
        pytest.param("MIN_CONFIDENCE", "-1", id="below 0 percent"),
        pytest.param("MIN_CONFIDENCE", "nan", id="NaN is in no range"),
        pytest.param("MAX_LABELS", "0", id="no label at all"),
        pytest.param("MAX_LABELS", "1001", id="more than DetectLabels gives"),
        pytest.param("IN_BATCH_CONCURRENCY", "0", id="nobody at work"),
        pytest.param("IN_BATCH_CONCURRENCY", "9" * 5_000, id="longer than Python converts"),
    ],
)
def test_a_wrong_variable_names_itself_its_value_and_its_range(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"the variable {name} is '{value[:80]}': set it to a .* from .* to "):
        Settings.from_environment({**GOOD, name: value})


def test_the_queues_of_those_who_tell_are_read() -> None:
    environment = {"CALLBACK_QUEUE_URL": "https://sqs/callbacks", "PUSH_QUEUE_URL": "https://sqs/pushes"}

    assert NotificationSettings.from_environment(environment) == NotificationSettings(*environment.values())
    for name in environment:
        with pytest.raises(SettingsError, match=f"the variable {name} is not set: set it to the URL of "):
            NotificationSettings.from_environment({**environment, name: " "})


def test_the_synchronous_functions_own_settings_are_read() -> None:
    environment = {"IMAGE_BUCKET": "images", "INTEGRATION_TIMEOUT_MS": "29000"}

    assert SyncSettings.from_environment(environment) == SyncSettings("images", 29_000)
    with pytest.raises(SettingsError, match="the variable IMAGE_BUCKET is not set"):
        SyncSettings.from_environment({**environment, "IMAGE_BUCKET": ""})
    for wrong in ("49", "29 s", "900001"):
        with pytest.raises(SettingsError, match="a whole number of ms from 50 to 900,000"):
            SyncSettings.from_environment({**environment, "INTEGRATION_TIMEOUT_MS": wrong})
