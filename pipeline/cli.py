"""The `forebay` command: finds the commands that the rooms register, so that it imports none of them."""

from importlib.metadata import entry_points

import click

_GROUP = "forebay.commands"


class _Rooms(click.Group):
    """A command group whose commands are the installed entry points, loaded only when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return sorted(entry_points(group=_GROUP).names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for entry in entry_points(group=_GROUP, name=cmd_name):
            try:
                command = entry.load()
            except ImportError as error:
                return _not_installed(cmd_name, error)
            assert isinstance(command, click.Command)
            return command
        return None


def _not_installed(name: str, error: ImportError) -> click.Command:
    """A command in place of one whose room lacks a library, so that `--help` and the others work without it."""
    problem = f"`forebay {name}` cannot start: {error}. Install all its parts: make .venv/installed"

    def fail() -> None:
        raise click.ClickException(problem)

    return click.Command(
        name,
        callback=fail,
        help=problem,
        short_help="(not installed)",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


@click.command(cls=_Rooms, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Forebay: image recognition behind SNS, SQS or Kinesis, and how each takes a traffic spike.

    Start with `make bench`: it runs one spike through all of them on this machine and writes a report.
    """
