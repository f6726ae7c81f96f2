import pytest

from reports.flat import flat


@pytest.mark.parametrize(
    ("settings", "listed"),
    [
        ({"a": {"b": 1}, "c": None}, {"a.b": "1", "c": "None"}),
        ({"knots": [[0, 10], [5, 20]]}, {"knots": "[0, 10], [5, 20]"}),
        ({"none": []}, {"none": ""}),
        (
            {"worker_clocks": [{"offset_ms": 0.5, "target_ms": {"at_least": -1.0}}, {"offset_ms": 2.0}]},
            {
                "worker_clocks.0.offset_ms": "0.5", "worker_clocks.0.target_ms.at_least": "-1.0",
                "worker_clocks.1.offset_ms": "2.0",
            },
        ),  # each worker's clock has lines of its own
    ],
)  # fmt: skip
def test_settings_are_listed_by_their_whole_names(settings, listed):
    assert flat(settings) == listed
