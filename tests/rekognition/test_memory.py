import asyncio
import gc
import weakref

import pytest

from local.recogniser.image_file import UnreadableImageError
from local.recogniser.model import Sighting
from local.recogniser.picture import ImageSideError
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


class Pixels:
    """What is made of a picture, and takes 400 MB of the largest."""


async def test_a_refusal_does_not_hold_on_to_what_was_made_of_the_picture() -> None:
    made: list[weakref.ref[Pixels]] = []

    def recognise(image: bytes) -> list[Sighting]:
        pixels = Pixels()
        made.append(weakref.ref(pixels))
        raise ImageSideError(len(image))

    memory = RecognitionMemory(recognise)
    with pytest.raises(ImageSideError, match="a side of 5 px"):
        await memory.recognise(b"large")
    gc.collect()
    assert [pixels() for pixels in made] == [None]
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
