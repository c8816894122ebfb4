"""breakwater, also as kubectl-breakwater."""

from __future__ import annotations

import click

from breakwater.cli.crds import crds
from breakwater.cli.explain import explain
from breakwater.cli.run import run
from breakwater.cli.status import status


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="breakwater-operator", prog_name="breakwater")
def main() -> None:
    """Security guidelines as Kubernetes resources: enforced, and proven on live traffic."""


for command in (run, status, explain, crds):
    main.add_command(command)
