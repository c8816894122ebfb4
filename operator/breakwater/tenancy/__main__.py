"""python -m breakwater.tenancy: write the policies into a folder, or check that a folder holds them."""

from __future__ import annotations

from pathlib import Path

import click

from breakwater.tenancy import check, write

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--write", "written", type=_FOLDER, help="Write them into this folder.")
@click.option("--check", "checked", type=_FOLDER, help="Fail if this folder differs from them.")
def main(written: Path | None, checked: Path | None) -> None:
    """Write the policies into a folder, or check a folder against them."""
    for path in write(written) if written else ():
        click.echo(path)
    if checked and (problems := check(checked)):
        raise click.ClickException("\n".join(problems))


main()
