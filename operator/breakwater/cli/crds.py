"""breakwater crds: the CRDs and their reference, generated from the kinds."""

from __future__ import annotations

from pathlib import Path

import click

from breakwater.cli.catalogue import KINDS
from breakwater.kernel import crd

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--write", "written", type=_FOLDER, help="Write them into this folder.")
@click.option("--check", "checked", type=_FOLDER, help="Fail if this folder differs from them.")
def crds(written: Path | None, checked: Path | None) -> None:
    """Print the CRDs, write them into a folder, or check a folder against them."""
    if written is not None:
        for path in crd.write(written, KINDS):
            click.echo(path)
    if checked is not None and (problems := crd.check(checked, KINDS)):
        raise click.ClickException("\n".join(problems))
    if written is None and checked is None:
        for name, text in crd.render_crds(KINDS).items():
            if name.endswith(".yaml"):
                click.echo(f"---\n{text}", nl=False)
