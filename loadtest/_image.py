"""The images of a load: sample photos at the sizes the workload asks for, and how each travels."""

import base64
import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from PIL import Image, UnidentifiedImageError

from pipeline.request import InlineImage, Measurement, Request, StoredImage, image_to_body
from pipeline.workload_file import WorkloadError
from producers.websocket import INLINE_BYTES

if TYPE_CHECKING:
    from loadtest._workload import ImageChoice

# Every buffer takes at least 256 KB, and the record carries more than the image; what is larger is uploaded first.
LARGEST_INLINE_BASE64: Final = 150_000
# The same of a WebSocket message, which is of 128 KB (producers.websocket).
LARGEST_IN_A_MESSAGE: Final = 4 * INLINE_BYTES // 3
_QUALITY: Final = 90
# Names as long as they usually are.
_RUN: Final = "20260101T120000Z-workload.kinesis"
_BUCKET: Final = "forebay-imagebucket-1a2b3c4d5e6f"


@dataclass(frozen=True, slots=True)
class LoadImage:
    """One image as it is sent. `key` is where it is uploaded before the load, None if it travels inline.

    `head` is the request's body up to the place where what is different in each request begins.
    """

    name: str
    data: bytes
    key: str | None
    head: bytes

    def to_json(self) -> dict[str, Any]:
        """As run.json has it. `record_bytes` is about how large a record of it is in a buffer; ids differ by a few."""
        image = InlineImage(self.data) if self.key is None else StoredImage(bucket=_BUCKET, key=self.key)
        record = Request("-" * 16, 1_700_000_000_000, "kinesis", image, Measurement(_RUN, 1_000, 1_700_000_000_000.123))
        return {
            "bytes": len(self.data),
            "record_bytes": len(record.to_json()),
            "uploaded": self.key is not None,
        }


def prepare(choice: "ImageChoice", most_base64: float = LARGEST_INLINE_BASE64) -> LoadImage:
    """Scale a photo and prepare what its requests have in common. The same choice, the same bytes.

    An image of more than `most_base64` characters is to be uploaded.

    Raises:
        WorkloadError: the photo is no image that Pillow can read.
    """
    data = choice.photo.read_bytes()
    if choice.width is not None:
        try:
            data = _scaled(data, choice.width)
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise WorkloadError(f"the photo {choice.photo} cannot be scaled: {error}") from None
    key = None
    if len(base64.b64encode(data)) > most_base64:
        # Named by its content, so that uploading it again changes nothing, and letters in a photo's name cannot matter.
        key = f"loadtest-{hashlib.sha256(data).hexdigest()[:16]}.jpg"
    body = image_to_body(InlineImage(data) if key is None else StoredImage(bucket="", key=key))
    head = f'{{"image":{json.dumps(body, separators=(",", ":"))},"run":{{"id":'.encode()
    return LoadImage(choice.name, data, key, head)


def _scaled(data: bytes, width: int) -> bytes:
    with Image.open(io.BytesIO(data)) as photo:
        height = max(1, round(photo.height * width / photo.width))
        scaled = photo.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    scaled.save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()
