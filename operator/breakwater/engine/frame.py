"""Kopf, the operator's frame: watches our own kinds in a thread and loop of its own, and feeds ours.

Kopf cancels every younger task of its loop when it stops, hence the thread. It dies of errors that it cannot recover
from; then the process ends, and Kubernetes starts another.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

import kopf

from breakwater.cluster.client import Login
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import GROUP, Resource

log = logging.getLogger(__name__)

CREDENTIALS_FOR = dt.timedelta(minutes=10)
# Kopf removes its finalizer from every object it sees; the default name is that of every other kopf operator.
FINALIZER = f"{GROUP}/never-used"
WATCH_SECONDS = 40
SILENCE = 50

Feed = Callable[[str, str | None, Manifest], None]


class Frame:
    """One run of kopf."""

    def __init__(self, login: Login, resources: Iterable[Resource], namespaces: tuple[str, ...], feed: Feed) -> None:
        self._login = login
        self._namespaces = namespaces
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._registry = kopf.OperatorRegistry()
        self._declare(resources)
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Start kopf."""
        self._thread.start()

    async def ended(self) -> None:
        """Wait for kopf's end.

        Raises:
            Exception: what kopf died of.
        """
        await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """Stop kopf by its flag; cancelling it would have it kill our process later."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 10)

    def _declare(self, resources: Iterable[Resource]) -> None:
        registry = self._registry

        @kopf.on.startup(registry=registry)
        def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
            _configure(settings)

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> kopf.ConnectionInfo:
            return await _connection(self._login)

        for resource in resources:

            @kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)
            def feed(event: Any, kind: str = resource.kind, **_: Any) -> None:
                self._loop.call_soon_threadsafe(self._feed, kind, event["type"], dict(event["object"]))

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            asyncio.run(self._operate())
        except BaseException as problem:  # noqa: BLE001 - whatever ended the thread, the process must hear of it
            error = problem
        self._loop.call_soon_threadsafe(self._finish, error)

    def _finish(self, error: BaseException | None) -> None:
        if self._ended.done():
            return
        if self._stop.is_set():
            self._ended.set_result(None)
        else:
            self._ended.set_exception(RuntimeError(f"kopf ended: {type(error).__name__}: {error}"))

    async def _operate(self) -> None:
        scope: dict[str, Any] = {"namespaces": self._namespaces} if self._namespaces else {"clusterwide": True}
        await kopf.operator(registry=self._registry, standalone=True, stop_flag=self._stop, **scope)


def _configure(settings: kopf.OperatorSettings) -> None:
    settings.persistence.finalizer = FINALIZER
    settings.posting.enabled = False
    settings.process.ultimate_exiting_timeout = None
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.inactivity_timeout = SILENCE
    settings.networking.enforce_retry_after = True
    settings.networking.error_backoffs = [1, 1, 2, 3, 5, 8, 13, 21, 30, 30]


async def _connection(login: Login) -> kopf.ConnectionInfo:
    configuration = login.configuration
    authorization = await login.authorization()
    # The expiry makes kopf ask again: it would otherwise keep a token for ever, and die of one refused request.
    return kopf.ConnectionInfo(
        server=login.server,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        token=authorization.split(" ", 1)[1] if authorization else None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        expiration=dt.datetime.now(dt.UTC) + CREDENTIALS_FOR,
    )
