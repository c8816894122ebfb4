"""/metrics, /healthz and /readyz: what they say is asked anew each time, nothing is remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import generate_latest

from breakwater.engine.metrics import Metrics

Check = Callable[[], str | None]


class Endpoints:
    """A small HTTP server; each check returns None when all is well, else what is wrong."""

    def __init__(self, metrics: Metrics, live: Mapping[str, Check], ready: Mapping[str, Check]) -> None:
        self._metrics = metrics
        self._live = live
        self._ready = ready
        app = web.Application()
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/healthz", self._serve_health)
        app.router.add_get("/readyz", self._serve_ready)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which was chosen by the system if 0 was given."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._metrics.registry), content_type="text/plain", charset="utf-8")

    async def _serve_health(self, _: web.Request) -> web.Response:
        return _answer(self._live)

    async def _serve_ready(self, _: web.Request) -> web.Response:
        return _answer(self._ready)


def _answer(checks: Mapping[str, Check]) -> web.Response:
    findings = {name: check() for name, check in checks.items()}
    lines = [f"[-] {name}: {fault}" if fault else f"[+] {name}" for name, fault in findings.items()]
    return web.Response(text="\n".join(lines) + "\n", status=503 if any(findings.values()) else 200)
