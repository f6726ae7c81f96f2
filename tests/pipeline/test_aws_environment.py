import pytest

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


def test_a_service_of_which_nothing_is_told_is_not_looked_for_at_aws() -> None:
    with pytest.raises(KeyError, match="kinesis"):
        aws_environment.client(ENVIRONMENT, "kinesis")
