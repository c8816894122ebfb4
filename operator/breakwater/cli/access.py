"""The way from the command line to the API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from breakwater.cluster.client import ApiError, Client, Login, NoLoginError, collection_path
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import Resource

T = TypeVar("T")


def access_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--kubeconfig and --context, as kubectl has them: $KUBECONFIG may list several files."""
    command = click.option("--context", help="Context of the kubeconfig.")(command)
    return click.option("--kubeconfig", envvar="KUBECONFIG", help="Defaults to $KUBECONFIG or ~/.kube/config.")(command)


def ask(kubeconfig: str | None, context: str | None, question: Callable[[Client], Awaitable[T]]) -> T:
    """Run one question against the API server.

    Raises:
        click.ClickException: there is no way to it, or it refused.
    """

    async def answer() -> T:
        client = Client(await Login.load(kubeconfig, context), "breakwater-cli")
        try:
            return await question(client)
        finally:
            await client.close()

    try:
        return asyncio.run(answer())
    except NoLoginError as error:
        raise click.ClickException(str(error)) from None
    except ApiError as error:
        raise click.ClickException(f"the API server answered: {error}") from None


async def items(client: Client, resource: Resource, namespace: str = "") -> list[Manifest]:
    """All objects of a type.

    Raises:
        ApiError: among others 404 when the type is not installed.
    """
    found: list[Manifest] = []
    query = {"limit": "500"}
    while True:
        page = await client.request("GET", collection_path(resource, namespace), query=query)
        found.extend(page.get("items") or ())
        following = page["metadata"].get("continue")
        if not following:
            return found
        query["continue"] = following
