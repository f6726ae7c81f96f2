"""A run's folder as a load test leaves one."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from reports import figures, findings

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.run import RunFolder
    from reports.findings import Findings


def _writer(module_name: str, function: str) -> "Callable[..., RunFolder]":
    spec = importlib.util.spec_from_file_location(module_name, Path(__file__).with_name(f"{module_name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    write: Callable[..., RunFolder] = getattr(module, function)
    return write


@pytest.fixture(scope="session")
def write_run() -> "Callable[..., RunFolder]":
    """Write a sample run to a path; see sample_run.py."""
    return _writer("sample_run", "write_run")


@pytest.fixture(scope="session")
def sample(write_run: "Callable[..., RunFolder]", tmp_path_factory: pytest.TempPathFactory) -> "RunFolder":
    """The sample run: four buffers, all drained. Not to be changed."""
    return write_run(tmp_path_factory.mktemp("runs") / "sample")


@pytest.fixture(scope="session")
def sample_findings(sample: "RunFolder") -> "Findings":
    """What the sample run shows."""
    return findings.find(sample)


@pytest.fixture(scope="session")
def as_loaded() -> "Callable[[pa.Schema, list[dict[str, Any]]], pa.Table]":
    """Make rows a table of a schema, as reports.rows loads them."""

    def table(schema: pa.Schema, given: list[dict[str, Any]]) -> pa.Table:
        columns = []
        for field in schema:
            texts = pa.types.is_dictionary(field.type)
            values = pa.array([row.get(field.name) for row in given], pa.string() if texts else field.type)
            columns.append(values.dictionary_encode() if texts else values)
        return pa.table(columns, names=schema.names)

    return table


@pytest.fixture(scope="session")
def known_run() -> "Callable[..., RunFolder]":
    """Write a run whose clients wait for their results to a path; see known_run.py."""
    return _writer("known_run", "write_known_run")


@pytest.fixture(scope="session")
def known_findings(known_run: "Callable[..., RunFolder]", tmp_path_factory: pytest.TempPathFactory) -> "Findings":
    """What such a run shows: six ways, all clients know."""
    return findings.find(known_run(tmp_path_factory.mktemp("runs") / "known"))


@pytest.fixture
def without_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawings are empty: they take nine tenths of a report's time, and some tests are of its words alone."""
    monkeypatch.setattr(figures, "svg", lambda *_: "<svg></svg>")
    monkeypatch.setattr(figures, "png", lambda _name, _findings, path: path.write_bytes(b""))
