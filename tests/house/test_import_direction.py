"""Imports between the rooms run one way."""

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

# What each room may import of ours, itself apart.
MAY_IMPORT = {
    "pipeline": set(),
    "consumers": {"pipeline"},
    "producers": {"pipeline"},
    "delivery": set(),
    "local": {"delivery", "pipeline"},
    "simulator": {"delivery", "pipeline"},
    "loadtest": {"producers", "pipeline"},
    "reports": {"pipeline"},
    "benchmarks": {"pipeline", "producers", "consumers", "delivery", "local", "simulator", "loadtest", "reports"},
}

# How AWS delivers is decided without a clock, a network, a file or a process.
NOT_IN_DELIVERY = {
    "asyncio", "time", "datetime", "socket", "threading", "subprocess", "os", "pathlib", "io", "http", "urllib",
    "boto3", "aiohttp", "uuid", "secrets", "logging",
}  # fmt: skip


def imports(source: str) -> "Iterator[str]":
    """The top-level names of every module that a source imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


def modules(room: str) -> "list[Path]":
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    ours = set(MAY_IMPORT) | {"tests"}
    for module in modules(room):
        reached = set(imports(module.read_text(encoding="utf-8"))) & ours - {room}
        assert reached <= MAY_IMPORT[room], f"{module.relative_to(ROOT)} imports {sorted(reached - MAY_IMPORT[room])}"


def test_delivery_knows_neither_clock_nor_network() -> None:
    for module in modules("delivery"):
        reached = set(imports(module.read_text(encoding="utf-8"))) & NOT_IN_DELIVERY
        assert not reached, f"{module.relative_to(ROOT)} imports {sorted(reached)}"


def test_every_room_is_installed_and_has_its_rule() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert rooms == set(MAY_IMPORT)


def test_an_import_against_the_direction_would_be_seen() -> None:
    assert set(imports("def late():\n    from local.http import serve\n    import simulator")) == {"local", "simulator"}
