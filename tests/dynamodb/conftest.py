import pytest

from tests.dynamodb.world import Call, make_call


@pytest.fixture
def call() -> Call:
    return make_call()
