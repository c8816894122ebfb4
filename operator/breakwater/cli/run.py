"""breakwater run: the operator."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import uuid
from urllib.parse import urlsplit

import click

from breakwater.cli.catalogue import catalogue
from breakwater.cluster.client import Login, NoLoginError
from breakwater.cluster.election import LeaseTimes
from breakwater.engine import logs
from breakwater.engine.operator import Operator, Options
from breakwater.kernel.settings import Mode, Settings
from breakwater.probes.address import Network, parse_allow

log = logging.getLogger(__name__)


class _Networks(click.ParamType[Network]):
    name = "CIDR"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Network:
        try:
            return parse_allow(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Address(click.ParamType[tuple[str, int]]):
    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            self.fail("give address and port, such as 0.0.0.0:8080 or [::]:8080", param, ctx)
        return host.strip("[]"), int(port)


@click.command()
@click.option("--kubeconfig", help="Instead of the pod's account.")
@click.option("--context", help="Context of the kubeconfig.")
@click.option(
    "--operator-namespace", default="breakwater-system", show_default=True, help="Where the authorities' keys live."
)
@click.option("--namespace", "namespaces", multiple=True, help="Serve only this namespace; may be repeated.")
@click.option(
    "--mode", type=click.Choice([mode.value for mode in Mode]), default="Enforce", show_default=True, help="Ceiling."
)
@click.option("--cluster-domain", default="cluster.local", show_default=True, help="DNS suffix of Services.")
@click.option(
    "--probe-allow",
    type=_Networks(),
    multiple=True,
    help="Network that probes may reach besides the pods of a channel's own namespace; may be repeated.",
)
@click.option(
    "--max-restarts",
    type=click.IntRange(0, 1000),
    default=3,
    show_default=True,
    help="How many workloads of the cluster may be restarting at once; 0 holds all restarts.",
)
@click.option(
    "--identity", default=lambda: f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}", help="Unique among the replicas."
)
@click.option("--lease-duration", type=click.IntRange(3, 300), default=15, show_default=True, help="Seconds.")
@click.option(
    "--listen",
    type=_Address(),
    default="127.0.0.1:8080",
    show_default=True,
    help="Address of /metrics, /healthz and /readyz.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option(
    "--log-format", type=click.Choice(["json", "plain"]), default=lambda: "plain" if sys.stderr.isatty() else "json"
)
def run(**given: object) -> None:
    """Run the operator until it is told to stop; any other end is an error."""
    logs.configure(str(given["log_level"]), as_json=given["log_format"] == "json")
    try:
        asyncio.run(_run(given))
    except NoLoginError as error:
        raise click.ClickException(str(error)) from None
    except Exception as error:
        # Whatever it was ends the process; the log is where people look for why.
        log.exception("ended")
        raise SystemExit(1) from error


async def _run(given: dict[str, object]) -> None:
    kubeconfig, context = given["kubeconfig"], given["context"]
    login = await Login.load(
        str(kubeconfig) if kubeconfig else _kubeconfig_of_environment(), str(context) if context else None
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Operator(await _options(given, login), catalogue(), login).run(stop)


def _kubeconfig_of_environment() -> str | None:
    """KUBECONFIG is meant for people; in a pod the service account counts."""
    return os.environ.get("KUBECONFIG") if not os.environ.get("KUBERNETES_SERVICE_HOST") else None


async def _options(given: dict[str, object], login: Login) -> Options:
    duration = int(str(given["lease_duration"]))
    listen = given["listen"]
    host, port = listen if isinstance(listen, tuple) else ("127.0.0.1", 8080)
    allow = given["probe_allow"]
    settings = Settings(
        namespace=str(given["operator_namespace"]),
        cluster_domain=str(given["cluster_domain"]),
        probe_allow=tuple(allow) if isinstance(allow, tuple) else (),
        mode=Mode(str(given["mode"])),
        api_server=await _addresses(urlsplit(login.server).hostname or ""),
        own_addresses=await _addresses(socket.gethostname()),
        max_restarts=int(str(given["max_restarts"])),
    )
    namespaces = given["namespaces"]
    return Options(
        settings=settings,
        identity=str(given["identity"]),
        namespaces=tuple(namespaces) if isinstance(namespaces, tuple) else (),
        times=LeaseTimes(duration, duration / 4, duration * 2 / 3),
        host=host,
        port=port,
    )


async def _addresses(host: str) -> frozenset[str]:
    """What a name resolves to; nothing where it does not, for it is only used to refuse."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None)
    except OSError:
        return frozenset()
    return frozenset(str(address[4][0]) for address in found)
