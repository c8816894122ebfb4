"""breakwater status: what stands, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from breakwater.cli.access import access_options, ask, items
from breakwater.cli.catalogue import KINDS
from breakwater.cluster.client import Client
from breakwater.kernel.reading import Manifest

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "CommunicationChannel": ("Ready", "Encrypted", "Authenticated", "Authorized", "Proven", "Secured"),
    "SecurityZone": ("Accepted", "Ready", "Proven"),
    "HardeningPolicy": ("Accepted", "Ready", "Enforced", "Conforming"),
}
"""The conditions to show, by kind."""
COLOURS = {"True": "green", "False": "red", "Unknown": "yellow"}


@click.command()
@access_options
@click.option("-n", "--namespace", default="", help="Only this namespace; cluster-scoped resources are always shown.")
def status(kubeconfig: str | None, context: str | None, namespace: str) -> None:
    """Show every resource of Breakwater with its conditions."""

    async def question(client: Client) -> list[tuple[str, list[Manifest]]]:
        return [
            (kind.resource.kind, await items(client, kind.resource, namespace if kind.resource.namespaced else ""))
            for kind in KINDS
        ]

    for kind, found in ask(kubeconfig, context, question):
        click.echo(click.style(f"{kind} ({len(found)})", bold=True))
        for line in table(kind, found):
            click.echo(line)
        click.echo()


def table(kind: str, found: Sequence[Manifest]) -> Iterable[str]:
    """The resources of one kind, aligned; colours only reach a terminal."""
    if not found:
        yield "  none"
        return
    names = COLUMNS.get(kind, ("Accepted", "Ready"))
    header = ["NAME", *(name.upper() for name in names), "WHY"]
    rows = [[_name(item), *(_state(item, name) for name in names), _why(item)] for item in found]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        cells = [_painted(cell.ljust(width)) for cell, width in zip(row, widths, strict=True)]
        yield ("  " + "  ".join(cells)).rstrip()


def _name(item: Manifest) -> str:
    metadata = item["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else str(metadata["name"])


def conditions(item: Manifest) -> dict[str, Mapping[str, Any]]:
    """Conditions by type."""
    return {entry["type"]: entry for entry in (item.get("status") or {}).get("conditions") or ()}


def _state(item: Manifest, name: str) -> str:
    return str(conditions(item).get(name, {}).get("status", "-"))


def _why(item: Manifest) -> str:
    """The reason of the first thing that is not as it should be."""
    for name in ("Stalled", "Accepted", "Ready", "Secured", "Conforming"):
        entry = conditions(item).get(name)
        if entry and entry["status"] != ("False" if name == "Stalled" else "True"):
            return str(entry["reason"])
    return ""


def _painted(cell: str) -> str:
    colour = COLOURS.get(cell.strip())
    return click.style(cell, fg=colour) if colour else cell
