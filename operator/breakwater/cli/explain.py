"""breakwater explain: why a resource is not Ready or Secured, and what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from breakwater.cli.access import access_options, ask
from breakwater.cli.catalogue import KINDS
from breakwater.cli.status import COLOURS, conditions
from breakwater.cluster.client import ApiError, Client, object_path
from breakwater.kernel.kind import Kind
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import Ref

GUIDELINES = {
    "HTTPS": "BPM-003: HTTPS on the load balancer or ingress controller",
    "SMTP": "BPM-004: TLS to the mail server",
    "PostgreSQL": "BPM-005: TLS to the database",
    "MySQL": "BPM-005: TLS to the database",
    "SQLServer": "BPM-005: TLS to the database",
    "Oracle": "BPM-005: TLS to the database",
    "LDAP": "BPM-006: TLS to the directory",
    "TLS": "BPM-009: TLS for each component",
    "SecurityZone": "WF-120 to WF-124: strict transport security and the way to https",
}


@click.command()
@click.argument("resource", metavar="KIND/NAME")
@click.option("-n", "--namespace", help="Namespace of the resource; defaults to the context's.")
@access_options
def explain(resource: str, namespace: str | None, kubeconfig: str | None, context: str | None) -> None:
    """Explain one resource, such as chan/a-web: each condition, its reason, and what to do."""
    kind, name = _parsed(resource)

    async def question(client: Client) -> tuple[Ref, Manifest]:
        ref = Ref(kind.resource, (namespace or client.namespace) if kind.resource.namespaced else "", name)
        try:
            return ref, await client.request("GET", object_path(ref))
        except ApiError as error:
            if error.status == 404:
                raise click.ClickException(f"{ref} does not exist; give its namespace with -n") from None
            raise

    for line in explained(*ask(kubeconfig, context, question)):
        click.echo(line)


def _parsed(text: str) -> tuple[Kind, str]:
    word, _, name = text.partition("/")
    for kind in KINDS:
        names = {kind.resource.kind, kind.resource.plural, kind.resource.kind.lower(), *kind.short_names}
        if name and (word in names or word.lower() in names):
            return kind, name
    short = ", ".join(kind.short_names[0] for kind in KINDS)
    raise click.BadParameter(f"write KIND/NAME with one of the kinds {short}", param_hint="KIND/NAME")


def explained(ref: Ref, item: Manifest) -> Iterator[str]:
    """Conditions in the order in which they build on each other; those that hold need no words."""
    yield click.style(str(ref), bold=True)
    serves = GUIDELINES.get((item.get("spec") or {}).get("protocol") or ref.resource.kind)
    if serves:
        yield f"  serves {serves}"
    found = conditions(item)
    if not found:
        yield "  the operator has not looked at it yet: is it running, and does it serve this namespace?"
    behind = (item.get("status") or {}).get("observedGeneration", 0) < item["metadata"].get("generation", 0)
    if found and behind:
        yield "  the operator has not looked at its last change yet"
    for name, entry in found.items():
        state = click.style(f"{entry['status']:8}", fg=COLOURS.get(entry["status"]))
        yield f"  {name:14} {state} {entry['reason']}"
        if entry["status"] != "True" or name == "Stalled":
            yield from _wrapped(entry.get("message", ""))
    for feature in (item.get("status") or {}).get("features") or ():
        yield f"  {feature['name']:14} {feature['state']:12} on Ingress {feature['ingress']}"
        yield from _wrapped(feature.get("detail", ""))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 96, initial_indent=" " * 6, subsequent_indent=" " * 6)
