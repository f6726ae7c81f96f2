"""The real model on real photos."""

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from local.recogniser.image_file import UnreadableImageError
from local.recogniser.model import CHANCE, Recogniser, network_file
from local.recogniser.picture import MAX_SIDE, MIN_SIDE, ImageSideError, prepare
from local.recogniser.weights import WeightsError, read_weights, weights_file

PHOTOS = Path(__file__).parents[2] / "loadtest" / "images"


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser(network_file())


def picture(width: int, height: int, kind: str = "JPEG", mode: str = "RGB") -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (height, width), np.uint8)
    into = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(into, kind)
    return into.getvalue()


@pytest.mark.parametrize(
    ("photo", "label"),
    [
        pytest.param("chelsea.jpg", "Cat", id="a parent's confidence is the sum over the breeds under it"),
        pytest.param("coffee.jpg", "Espresso", id="a class of its own"),
        pytest.param("coffee.jpg", "Coffee", id="its parent is at least as sure"),
        pytest.param("camera.jpg", "Tripod", id="a grey picture"),
    ],
)
def test_a_photo_shows_what_it_shows_at_80_or_more(recogniser: Recogniser, photo: str, label: str) -> None:
    seen = {sighting.name: sighting.confidence for sighting in recogniser.recognise((PHOTOS / photo).read_bytes())}
    assert 80 <= seen[label] <= 100


def test_parents_are_listed_as_labels_too_and_are_at_least_as_sure(recogniser: Recogniser) -> None:
    sightings = recogniser.recognise((PHOTOS / "chelsea.jpg").read_bytes())
    confidence = {sighting.name: sighting.confidence for sighting in sightings}
    for sighting in sightings:
        for parent in sighting.parents:
            assert confidence[parent] >= sighting.confidence - 1e-6, (sighting.name, parent)


def test_no_label_stands_twice_and_the_surest_is_first(recogniser: Recogniser) -> None:
    sightings = recogniser.recognise((PHOTOS / "coffee.jpg").read_bytes())
    assert len({sighting.name for sighting in sightings}) == len(sightings)
    assert [s.confidence for s in sightings] == sorted((s.confidence for s in sightings), reverse=True)


def test_what_is_less_sure_than_chance_is_not_seen(recogniser: Recogniser) -> None:
    sightings = recogniser.recognise((PHOTOS / "chelsea.jpg").read_bytes())
    assert 10 < len(sightings) < 100
    assert sightings[-1].confidence >= CHANCE


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"this is a text file renamed .jpg", id="a text"),
        pytest.param(picture(200, 200)[:-400], id="a JPEG cut off"),
        pytest.param(picture(200, 200, "PNG")[:2000], id="a PNG cut off"),
        pytest.param(picture(200, 200, "GIF"), id="a GIF: Rekognition takes JPEG and PNG only"),
        pytest.param(b"\xff\xd8\xff\xe0" + bytes(5000), id="only the first bytes of a JPEG"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(5000), id="only the first bytes of a PNG"),
    ],
)
def test_what_is_no_image_is_refused(image: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        prepare(image)


@pytest.mark.parametrize(
    ("width", "height"),
    [
        pytest.param(MIN_SIDE - 1, 200, id="too narrow"),
        pytest.param(200, MIN_SIDE - 1, id="too low"),
        pytest.param(MAX_SIDE + 1, 100, id="too wide"),
    ],
)
def test_a_side_out_of_bounds_is_refused_before_decoding(width: int, height: int) -> None:
    with pytest.raises(ImageSideError):
        prepare(picture(width, height))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_colour_mode_of_a_jpeg_is_read(mode: str) -> None:
    assert prepare(picture(MIN_SIDE, MIN_SIDE, mode=mode)).shape == (1, 3, 224, 224)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "I;16"])
def test_every_colour_mode_of_a_png_is_read(mode: str) -> None:
    assert prepare(picture(100, 90, "PNG", mode)).shape == (1, 3, 224, 224)


def test_a_picture_turned_by_its_exif_is_set_upright() -> None:
    upright = Image.new("RGB", (200, 100), "red")
    upright.paste("blue", (0, 0, 100, 100))
    turned, into = upright.rotate(90, expand=True), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(into, "JPEG", exif=exif, quality=100)
    plain = io.BytesIO()
    upright.save(plain, "JPEG", quality=100)
    assert np.abs(prepare(into.getvalue()) - prepare(plain.getvalue())).mean() < 0.05


def test_weights_that_were_changed_are_not_unpickled(tmp_path: Path) -> None:
    changed = tmp_path / "weights.pth"
    changed.write_bytes(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.")
    with pytest.raises(WeightsError, match="sha256"):
        read_weights(changed)


def test_weights_that_name_code_are_refused_even_with_a_right_checksum(tmp_path: Path) -> None:
    hostile = tmp_path / "weights.pth"
    hostile.write_bytes(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.")
    sha256 = subprocess.run(["sha256sum", hostile], capture_output=True, check=True).stdout.split()[0].decode()
    with pytest.raises(WeightsError, match=r"os\.system"):
        read_weights(hostile, sha256)


def test_the_network_is_built_once_and_reused(tmp_path: Path) -> None:
    first = network_file(tmp_path)
    built_at = first.stat().st_mtime_ns
    assert network_file(tmp_path) == first
    assert first.stat().st_mtime_ns == built_at
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


def test_the_installed_package_brings_the_weights_we_know() -> None:
    weights = read_weights(weights_file())
    assert weights["_fc.weight"].shape == (1000, 1280)
    assert len(weights) == 296
