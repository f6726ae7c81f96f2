import uuid

from local.request_id import new_uuid, random_bytes


def test_a_request_id_is_a_uuid_of_version_4_and_no_other_request_has_it() -> None:
    ids = [new_uuid() for _ in range(1_000)]

    assert len(set(ids)) == len(ids)
    for text in ids:
        read = uuid.UUID(text)
        assert (str(read), read.version, read.variant) == (text, 4, uuid.RFC_4122)


def test_random_bytes_are_as_many_as_asked_for_and_differ() -> None:
    assert {len(random_bytes(11)) for _ in range(100)} == {11}
    assert len({random_bytes(11) for _ in range(100)}) == 100
