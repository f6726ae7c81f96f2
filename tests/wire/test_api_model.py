import pytest

from local import api_model


def test_a_service_is_known_whatever_profile_its_user_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "gone")
    monkeypatch.setattr(api_model, "_service_model", api_model._service_model.__wrapped__)

    assert "SendMessage" in api_model.ApiModel("sqs").operations
