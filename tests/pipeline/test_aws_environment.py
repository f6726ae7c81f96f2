from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from pipeline import aws_environment

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "its-key",
    "AWS_SECRET_ACCESS_KEY": "its-secret",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:2",
}


def test_where_services_answer_is_told_by_their_names() -> None:
    assert aws_environment.endpoints(ENVIRONMENT) == {
        "sqs": "http://127.0.0.1:1",
        "secrets_manager": "http://127.0.0.1:2",
    }


def test_who_runs_this_process_has_no_part_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")

    client = aws_environment.client(ENVIRONMENT, "sqs")

    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key, credentials.token) == ("its-key", "its-secret", None)
    assert (client.meta.region_name, client.meta.endpoint_url) == ("eu-west-1", "http://127.0.0.1:1")


def test_a_profile_of_the_users_that_is_gone_is_not_missed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("this is no configuration")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "gone")

    assert aws_environment.client(ENVIRONMENT, "sqs").meta.region_name == "eu-west-1"


def test_no_proxy_is_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:2")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(EndpointConnectionError, match=r"http://127\.0\.0\.1:1/"):
        aws_environment.client(ENVIRONMENT, "sqs").list_queues()


def test_a_service_of_which_nothing_is_told_is_not_looked_for_at_aws() -> None:
    with pytest.raises(KeyError, match="kinesis"):
        aws_environment.client(ENVIRONMENT, "kinesis")
