import asyncio

import pytest

from local.recogniser.model import Sighting, UnreadableImageError
from local.rekognition.memory import RecognitionMemory


async def test_the_same_picture_is_recognised_once_however_many_ask_at_once() -> None:
    calls = []

    def recognise(image: bytes) -> list[Sighting]:
        calls.append(image)
        return [Sighting(image.decode(), 99.0, ())]

    memory = RecognitionMemory(recognise)
    seen = await asyncio.gather(*(memory.recognise(image) for image in [b"cat", b"cat", b"dog", b"cat"]))
    assert [answer[0].name for answer in seen] == ["cat", "cat", "dog", "cat"]
    assert sorted(calls) == [b"cat", b"dog"]
    memory.close()


async def test_a_refusal_is_remembered_like_an_answer() -> None:
    calls = []

    def recognise(image: bytes) -> list[Sighting]:
        calls.append(image)
        raise UnreadableImageError("no")

    memory = RecognitionMemory(recognise)
    for _ in range(2):
        with pytest.raises(UnreadableImageError):
            await memory.recognise(b"text")
    assert calls == [b"text"]
    memory.close()


async def test_the_oldest_picture_is_forgotten_first() -> None:
    calls = []

    def recognise(image: bytes) -> list[Sighting]:
        calls.append(image)
        return []

    memory = RecognitionMemory(recognise, size=2)
    for image in [b"a", b"b", b"a", b"c", b"a", b"b"]:
        await memory.recognise(image)
    assert calls == [b"a", b"b", b"c", b"b"]
    memory.close()
