"""The functions' code as Lambda takes it: one zip of what they import of ours, and the packages that its runtime does
not bring.

The wheels are those for Lambda's own system, whatever this machine is, at the versions of constraints.txt. The same
sources give the same bytes, so a zip's hash says whether a function has to be updated.
"""

import ast
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Of the project's dependencies, those a function needs. boto3 is in Lambda's runtime, click is for the command line.
DEPENDENCIES: Final = ("aws-kinesis-agg", "aws-lambda-powertools", "idna")
# The first goes whole, of the others what it imports: the command line is no business of a function's.
ROOMS: Final = ("consumers", "pipeline")
# infra.yaml's Runtime and Architectures.
_PYTHON: Final = "3.13"
_PLATFORM: Final = "manylinux2014_aarch64"
# What Lambda takes unzipped, in bytes (docs, "Lambda quotas").
_MAXIMUM_UNPACKED: Final = 250 * 1024 * 1024
# A zip's epoch: a file's own time would make other bytes of the same sources.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_READABLE_FILE: Final = 0o100644 << 16


class PackageError(Exception):
    """Code that could not be packaged; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class CodePackage:
    """A zip on disk. Sizes are in bytes; `unpacked` is what Lambda's limit counts."""

    path: Path
    sha256: str
    size: int
    unpacked: int


def build(checkout: Path, out: Path) -> CodePackage:
    """Write the zip of a checkout's code to `out`, whole or not at all.

    Raises:
        PackageError: this is no checkout, a wheel cannot be had, or the code is too large for Lambda.
    """
    constraints = checkout / "constraints.txt"
    missing = [str(path) for path in (constraints, *(checkout / room for room in ROOMS)) if not path.exists()]
    if missing:
        raise PackageError(f"{checkout} is no checkout of Forebay: it lacks {', '.join(missing)}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="forebay-package-") as scratch:
        packages = Path(scratch) / "packages"
        _install(packages, constraints)
        files = dict(_files(packages))
        files |= {path.relative_to(checkout).as_posix(): path for path in _own(checkout)}
        unpacked = sum(path.stat().st_size for path in files.values())
        if unpacked > _MAXIMUM_UNPACKED:
            raise PackageError(f"the code has {unpacked:,} bytes unpacked; Lambda takes {_MAXIMUM_UNPACKED:,}")
        beside = out.with_name(f"{out.name}.new")
        _zip(files, beside)
        beside.replace(out)
    written = out.read_bytes()
    return CodePackage(out, hashlib.sha256(written).hexdigest(), len(written), unpacked)


def _install(target: Path, constraints: Path) -> None:
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check",
        "--no-compile", "--only-binary=:all:", "--implementation", "cp", "--python-version", _PYTHON,
        "--platform", _PLATFORM, "--target", str(target), "--constraint", str(constraints), *DEPENDENCIES,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own words)
    if done.returncode == 0:
        return
    said = done.stderr.strip().splitlines()
    if any("No module named pip" in line for line in said):
        raise PackageError(f"{sys.executable} has no pip: run `{sys.executable} -m ensurepip`, then try again")
    errors = [line for line in said if line.startswith("ERROR:")] or said[-1:] or [f"exit status {done.returncode}"]
    raise PackageError(
        f"pip found no wheels of {', '.join(DEPENDENCIES)} for Python {_PYTHON} on {_PLATFORM}, at the versions of "
        f"{constraints}: {' '.join(errors)}. Is the package index within reach?"
    )


def _own(checkout: Path) -> set[Path]:
    """The files of ours that the functions import, and those of theirs."""
    waiting = list((checkout / ROOMS[0]).rglob("*.py"))
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for name in _imports(ast.parse(path.read_bytes()).body):
            parts = name.split(".")
            if parts[0] in ROOMS:
                module = checkout.joinpath(*parts)
                packages = (checkout.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1))
                waiting += [file for file in (module.with_suffix(".py"), *packages) if file.exists()]
    return found


def _imports(nodes: "Iterable[ast.AST]") -> "Iterator[str]":
    """The modules that code imports when it runs, wherever in it; what only a type checker reads is none."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from _imports(node.orelse)
        else:
            yield from _imports(ast.iter_child_nodes(node))


def _files(folder: Path) -> "Iterator[tuple[str, Path]]":
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        # Scripts are for a shell, which a function has none of; they name this machine's Python, too.
        if path.is_file() and "__pycache__" not in name.parts and name.parts[0] != "bin":
            yield name.as_posix(), path


def _zip(files: dict[str, Path], out: Path) -> None:
    with zipfile.ZipFile(out, "w") as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _READABLE_FILE
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes(), compresslevel=9)
