"""`python -m tests.controlplane`: a control plane for people, in the background from `up` to `down`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tests.controlplane.background import Background
from tests.controlplane.build import BuildError, ensure_binaries
from tests.controlplane.processes import StartError
from tests.controlplane.toolchain import ToolchainError
from tests.controlplane.versions import PINS

if TYPE_CHECKING:
    from collections.abc import Callable


def _name_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--name", default="default", show_default=True, help="Which control plane.")(command)


def _cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--kwok", is_flag=True, help="Run pods: the scheduler, kwok as kubelet, and one node."),
        click.option("--kubernetes", metavar="VERSION", help=f"Kubernetes version [default: {PINS.default}]."),
        _name_option,
    ):
        command = option(command)
    return command


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@_cluster_options
def up(name: str, kubernetes: str | None, kwok: bool) -> None:
    """Start a control plane and leave it running."""
    ensure_binaries(kubernetes)  # here, where its progress is seen
    background = Background(name)
    if background.running:
        click.echo(f"{name} is up already", err=True)
    else:
        options = ["--name", name, *(["--kubernetes", kubernetes] if kubernetes else []), *(["--kwok"] if kwok else [])]
        background.start(options)
    click.echo(f"export KUBECONFIG={background.kubeconfig}")


@main.command()
@_name_option
def down(name: str) -> None:
    """Stop a control plane; its data is gone."""
    if not Background(name).stop():
        click.echo(f"{name} is not up", err=True)


@main.command()
@_name_option
def kubeconfig(name: str) -> None:
    """Print the line that points kubectl at a control plane."""
    background = Background(name)
    if not background.running:
        raise click.ClickException(f"{name} is not up: python -m tests.controlplane up --name {name}")
    click.echo(f"export KUBECONFIG={background.kubeconfig}")


@main.command()
@click.option("--kubernetes", metavar="VERSION", help=f"Kubernetes version [default: {PINS.default}].")
def build(kubernetes: str | None) -> None:
    """Build the programs and print the folder that holds them."""
    click.echo(ensure_binaries(kubernetes))


@main.command(hidden=True)
@_cluster_options
def serve(name: str, kubernetes: str | None, kwok: bool) -> None:
    """Be the background process of `up`."""
    Background(name).serve(version=kubernetes, scheduler=kwok, kwok=kwok)


if __name__ == "__main__":
    try:
        main()
    except (BuildError, StartError, ToolchainError, ValueError) as error:
        raise SystemExit(f"Error: {error}") from None
