"""The zip, built for real: pip fetches the wheels once for all tests here."""

import ast
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import code_package
from pipeline.code_package import DEPENDENCIES, CodePackage, PackageError, build

CHECKOUT = Path(__file__).parents[2]
AARCH64 = 0xB7
HANDLERS = sorted(
    f"consumers.{path.stem}" for path in (CHECKOUT / "consumers").glob("*.py") if "def handler(" in path.read_text()
)
IN_THE_RUNTIME = {"boto3", "botocore"}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where temporary folders are made while the zip is built."""
    folder = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout's code as it stands now, so that an edit under way does not show as another zip."""
    folder = tmp_path_factory.mktemp("checkout")
    for room in code_package.ROOMS:
        shutil.copytree(CHECKOUT / room, folder / room)
    shutil.copy(CHECKOUT / "constraints.txt", folder)
    return folder


@pytest.fixture(scope="module")
def built(copy: Path, scratch: Path, tmp_path_factory: pytest.TempPathFactory) -> CodePackage:
    return build(copy, tmp_path_factory.mktemp("out") / "new" / "forebay.zip")


def names(built: CodePackage) -> set[str]:
    with zipfile.ZipFile(built.path) as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


def test_zip_holds_handlers_pipeline_and_what_the_runtime_lacks(built: CodePackage) -> None:
    held = names(built)

    assert {f"{handler.replace('.', '/')}.py" for handler in HANDLERS} <= held
    assert {"pipeline/request.py", "aws_kinesis_agg/deaggregator.py", "aws_lambda_powertools/__init__.py"} <= held
    assert {"google/protobuf/__init__.py", "jmespath/__init__.py", "typing_extensions.py"} <= held
    tops = {name.partition("/")[0] for name in held}
    assert not tops & {"boto3", "botocore", "click", "bin", "tests", "local", "delivery", "loadtest", "infra.yaml"}
    assert not [name for name in held if name.endswith(".pyc") or "__pycache__" in name]


def test_native_code_is_for_lambdas_processor_not_this_machines(built: CodePackage) -> None:
    with zipfile.ZipFile(built.path) as archive:
        native = [name for name in archive.namelist() if name.endswith(".so")]
        machines = {struct.unpack_from("<H", archive.read(name), 18)[0] for name in native}

    assert native
    assert machines == {AARCH64}


def test_sizes_and_hash_are_those_of_the_file(built: CodePackage) -> None:
    with zipfile.ZipFile(built.path) as archive:
        assert sum(entry.file_size for entry in archive.infolist()) == built.unpacked
    assert built.path.stat().st_size == built.size < built.unpacked < 20_000_000
    assert len(built.sha256) == 64


def test_same_sources_give_the_same_bytes_and_leave_nothing_behind(
    built: CodePackage, copy: Path, scratch: Path, tmp_path: Path
) -> None:
    for source in copy.rglob("*.py"):
        os.utime(source, (1_000_000_000, 1_000_000_000))

    again = build(copy, tmp_path / "forebay.zip")

    assert again.sha256 == built.sha256
    assert list(scratch.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["forebay.zip"]


def test_lambda_may_read_every_file(built: CodePackage) -> None:
    with zipfile.ZipFile(built.path) as archive:
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}


def test_every_import_of_a_handler_is_in_the_zip_or_the_runtime(built: CodePackage, copy: Path) -> None:
    inside = names(built)
    held = {name.partition("/")[0].removesuffix(".py") for name in inside}
    brought = held | IN_THE_RUNTIME | set(sys.stdlib_module_names)
    waiting, seen = list(HANDLERS), set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        source = copy / f"{module.replace('.', '/')}.py"
        for imported in imports(source):
            assert imported.partition(".")[0] in brought, f"{module} imports {imported}"
            if (copy / f"{imported.replace('.', '/')}.py").exists():
                assert f"{imported.replace('.', '/')}.py" in inside, f"{module} imports {imported}"
                waiting.append(imported)

    assert {"consumers.kinesis", "consumers.callback", "pipeline.request"} <= seen


def test_of_ours_nothing_is_in_the_zip_that_no_function_imports(built: CodePackage) -> None:
    held = names(built)

    assert {"pipeline/__init__.py", "pipeline/request.py", "pipeline/callbacks_table.py"} <= held
    of_the_command_line = ("cli", "deployment", "code_package", "dead_letters", "stack", "run", "units")
    assert not {f"pipeline/{name}.py" for name in of_the_command_line} & held


def imports(source: Path) -> Iterator[str]:
    def walk(nodes: list[ast.stmt]) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                continue
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
            yield from walk([child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)])

    return walk(ast.parse(source.read_text()).body)


def test_dependencies_are_the_projects_without_the_runtimes_and_the_command_lines() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]

    assert set(DEPENDENCIES) == set(project["dependencies"]) - {"boto3", "click"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with next to nothing in it."""
    for room in code_package.ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("")
    (tmp_path / "constraints.txt").write_text("aws-kinesis-agg==0.0.0\n")
    return tmp_path


def test_version_that_is_not_to_be_had_is_named(checkout: Path, scratch: Path) -> None:
    with pytest.raises(PackageError, match=r"aws-kinesis-agg.*3\.13.*constraints\.txt.*within reach"):
        build(checkout, checkout / "out.zip")

    assert not (checkout / "out.zip").exists()
    assert list(scratch.iterdir()) == []


def test_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"no checkout of Forebay: it lacks .*constraints\.txt"):
        build(tmp_path, tmp_path / "out.zip")


def test_python_without_pip_is_told_how_to_get_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = checkout / "python"
    # -S leaves out the folder that pip is in.
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    bare.chmod(0o755)
    assert subprocess.run([bare, "-c", "import pip"], capture_output=True, check=False).returncode != 0
    monkeypatch.setattr(sys, "executable", str(bare))

    with pytest.raises(PackageError, match="ensurepip"):
        build(checkout, checkout / "out.zip")


def test_code_too_large_for_lambda_is_refused(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_package, "_MAXIMUM_UNPACKED", 10_000)
    # Ours alone are too large, and need no index.
    monkeypatch.setattr(code_package, "_install", lambda target, _: target.mkdir())

    with pytest.raises(PackageError, match=r"bytes unpacked; Lambda takes 10,000"):
        build(copy, tmp_path / "out.zip")
