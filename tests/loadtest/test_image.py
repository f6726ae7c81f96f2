import base64
import io
import json

import pytest
from PIL import Image

from loadtest._image import LARGEST_INLINE_BASE64, prepare
from loadtest._workload import DEFAULT_IMAGES, PHOTOS, ImageChoice
from pipeline.workload_file import WorkloadError


def body_of(image):
    return json.loads(image.head + b'"r1","sequence":0,"intended_at":1.5}}')


def test_a_small_image_travels_inline_byte_for_byte():
    image = prepare(ImageChoice(PHOTOS / "coffee.jpg", 1, None))

    assert image.key is None
    assert image.data == (PHOTOS / "coffee.jpg").read_bytes()
    assert base64.b64decode(body_of(image)["image"]["bytes"]) == image.data
    assert body_of(image)["run"] == {"id": "r1", "sequence": 0, "intended_at": 1.5}


def test_a_scaled_image_has_the_width_and_keeps_its_form():
    image = prepare(ImageChoice(PHOTOS / "china.jpg", 1, 200))

    with Image.open(io.BytesIO(image.data)) as scaled:
        assert scaled.format == "JPEG"
        assert scaled.size == (200, 133)
    assert image.name == "china-200"


def test_a_large_image_travels_by_claim_check_under_a_key_of_its_content():
    choice = ImageChoice(PHOTOS / "china.jpg", 1, 1_600)
    image = prepare(choice)

    assert len(base64.b64encode(image.data)) > LARGEST_INLINE_BASE64
    assert body_of(image)["image"] == {"key": image.key}
    assert prepare(choice) == image
    assert prepare(ImageChoice(PHOTOS / "china.jpg", 1, 1_700)).key != image.key


def test_the_default_mix_has_thumbnails_whole_photos_and_one_that_is_uploaded():
    images = [prepare(choice) for choice in DEFAULT_IMAGES]

    assert sum(image.key is not None for image in images) == 1
    assert any(len(image.data) < 15_000 for image in images)
    assert any(20_000 < len(image.data) < 100_000 and image.key is None for image in images)


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff\xe0 cut off"])
def test_a_photo_that_cannot_be_scaled_is_refused(tmp_path, content):
    (tmp_path / "bad.jpg").write_bytes(content)

    with pytest.raises(WorkloadError, match="cannot be scaled"):
        prepare(ImageChoice(tmp_path / "bad.jpg", 1, 100))


def test_what_is_not_scaled_may_be_anything_so_that_failures_can_be_tested(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")

    assert prepare(ImageChoice(tmp_path / "bad.jpg", 1, None)).data == b"no image"
