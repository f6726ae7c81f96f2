"""Where a command's JSON goes: a file, or stdout."""

from pathlib import Path

import click


def write(out: Path, text: str) -> None:
    """To a file, whole or not at all; - is stdout.

    Raises:
        click.ClickException: the file cannot be written.
    """
    if str(out) == "-":
        click.echo(text, nl=False)
        return
    beside = out.with_name(f"{out.name}.new")
    try:
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(out)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}") from None
