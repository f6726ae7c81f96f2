"""The classifier: an image's bytes in, what it shows out."""

import json
import os
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import onnxruntime

from local.recogniser.network import INPUT, OUTPUT, build_network
from local.recogniser.picture import prepare
from local.recogniser.weights import SHA256, read_weights, weights_file

# Percent: a guess among the network's thousand classes is as sure. Of what lies below there are 1,500 labels an image.
CHANCE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing seen, or one of its parents. `confidence` is in percent; `parents` are the nearest first."""

    name: str
    confidence: float
    parents: tuple[str, ...]


class Recogniser:
    """The network and the names of what it can see. One thread; share it only behind a queue."""

    def __init__(self, network: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
        classes = json.loads((files("local.recogniser") / "taxonomy.json").read_text(encoding="utf-8"))
        self._classes: list[tuple[str, tuple[str, ...]]] = [(name, tuple(parents)) for name, parents in classes]
        self._parents_of = _parents_of(self._classes)

    def recognise(self, image: bytes) -> list[Sighting]:
        """What the image shows, surest first, a thing's parents with the sum of all that fall under them.

        What is less sure than chance is not seen.

        Raises:
            UnreadableImageError: not a JPEG or PNG, or damaged.
            ImageSideError: a side is too short or too long.
        """
        probabilities = self._session.run([OUTPUT], {INPUT: prepare(image)})[0][0]
        confidence: dict[str, float] = {}
        for (name, parents), probability in zip(self._classes, probabilities, strict=True):
            for label in (name, *parents):
                confidence[label] = confidence.get(label, 0.0) + 100.0 * float(probability)
        sightings = [
            Sighting(name, min(sure, 100.0), self._parents_of[name])
            for name, sure in confidence.items()
            if sure >= CHANCE
        ]
        return sorted(sightings, key=lambda sighting: (-sighting.confidence, sighting.name))


def network_file(folder: Path | None = None) -> Path:
    """The network as a file, built from the installed weights the first time (about 2 s), beside the environment."""
    folder = folder or Path(sys.prefix) / "share" / "forebay"
    network = folder / f"efficientnet-lite0-{SHA256[:8]}.onnx"
    if not network.exists():
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f".{network.name}.{os.getpid()}"
        beside.write_bytes(build_network(read_weights(weights_file())).SerializeToString())
        beside.replace(network)
    return network


def _parents_of(classes: list[tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """A class's parents as given; a parent's own are those that every class under it shares above it."""
    parents = dict(classes)
    for _, line in classes:
        for at, name in enumerate(line):
            above = line[at + 1 :]
            known = parents.get(name)
            parents[name] = above if known is None else tuple(label for label in known if label in above)
    return parents
