from importlib.metadata import EntryPoint, EntryPoints

import click
import pytest
from click.testing import CliRunner

from pipeline import cli


@click.command(short_help="says hello")
def hello() -> None:
    click.echo("hello")


@pytest.fixture(autouse=True)
def rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        [
            EntryPoint("hello", "tests_pipeline_cli:hello", "forebay.commands"),
            EntryPoint("broken", "no_such_library_xyz:main", "forebay.commands"),
        ]
    )
    monkeypatch.setattr(cli, "entry_points", lambda **chosen: points.select(**chosen))
    real = EntryPoint.load
    monkeypatch.setattr(EntryPoint, "load", lambda self: hello if self.name == "hello" else real(self))


def test_a_rooms_command_is_found_and_run() -> None:
    result = CliRunner().invoke(cli.main, ["hello"])

    assert (result.exit_code, result.output) == (0, "hello\n")


def test_help_lists_every_room_even_if_one_cannot_be_loaded() -> None:
    result = CliRunner().invoke(cli.main, ["--help"])

    assert result.exit_code == 0
    assert "says hello" in result.output
    assert "(not installed)" in result.output


@pytest.mark.parametrize("arguments", [[], ["--json", "x"]], ids=["bare", "with options of its own"])
def test_a_room_that_cannot_be_loaded_names_the_cause_and_the_cure(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli.main, ["broken", *arguments])

    assert result.exit_code == 1
    assert "No module named 'no_such_library_xyz'" in result.output
    assert "Install all its parts" in result.output


def test_an_unknown_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(cli.main, ["nothing"]).exit_code == 2
