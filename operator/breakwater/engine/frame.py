"""Kopf, the operator's frame: watches our own kinds, each in a thread and loop of its own, and feeds our loop.

Kopf cancels every younger task of its loop when it stops, hence a thread. It dies of errors that it cannot recover
from; then the process ends, and Kubernetes starts another.

Kopf looks for the kinds to watch when it starts and, left to itself, at each change of a CRD. The second look is taken
away from it: discovery is behind the CRDs, so now and then it would stop watching a CRD that was applied again. So each
kind has a kopf of its own, which finds its kind late where it is not served yet, and then never lets go of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import kopf

from breakwater.cluster.client import Login
from breakwater.cluster.informer import PAGE
from breakwater.cluster.patience import Patience
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import GROUP, Resource

log = logging.getLogger(__name__)

# Kopf removes its finalizer from every object it sees; the default name is that of every other kopf operator.
FINALIZER = f"{GROUP}/never-used"
WATCH_SECONDS = 40
SILENCE = 50
IDLE_SECONDS = 0.5
BEAT = 1.0
LONGEST_PAUSE = 30.0
# Each watch is asked for again at least every SILENCE seconds, and refused ones much more often.
LONGEST_IDLE = 3.0 * SILENCE

Feed = Callable[[str, str | None, Manifest], None]


class Frame:
    """One run of kopf, for one kind."""

    def __init__(self, login: Login, resource: Resource, namespaces: tuple[str, ...], feed: Feed) -> None:
        self._login = login
        self._resource = resource
        self._patience = Patience(login, resource)
        self._beaten = time.monotonic()
        self._namespaces = namespaces
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._asked_to_stop = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._registry = kopf.OperatorRegistry()
        self._declare()
        self._thread = threading.Thread(target=self._run, name=f"kopf-{resource.plural}", daemon=True)

    def start(self) -> None:
        """Start kopf."""
        self._beaten = time.monotonic()
        self._thread.start()

    def fault(self) -> str | None:
        """What is wrong with kopf, for /healthz; None while it has not been started."""
        if self._thread.ident is None:
            return None
        if not self._thread.is_alive():
            return f"kopf for {self._resource.plural} has ended"
        if time.monotonic() - self._beaten > LONGEST_PAUSE:
            return f"the event loop of kopf for {self._resource.plural} hangs"
        if self._patience.idle() > LONGEST_IDLE:
            return f"kopf has not asked for its watch of {self._resource.plural} any more"
        return None

    async def ended(self) -> None:
        """Wait for kopf's end.

        Raises:
            Exception: what kopf died of.
        """
        await asyncio.shield(self._ended)

    async def stop(self, patience: float) -> None:
        """Stop kopf by its flag and wait so many seconds; cancelling it would have it kill our process later."""
        self._asked_to_stop = True
        self._stop.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, patience)

    def _declare(self) -> None:
        registry, resource = self._registry, self._resource

        @kopf.on.startup(registry=registry)
        def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
            _configure(settings)

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> kopf.AiohttpSession:
            return kopf.AiohttpSession(
                server=self._login.server, aiohttp_session=self._patience.session("breakwater/kopf")
            )

        @kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)
        async def feed(event: Any, **_: Any) -> None:
            self._loop.call_soon_threadsafe(self._feed, resource.kind, event["type"], dict(event["object"]))

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            asyncio.run(self._operate())
        except BaseException as problem:  # noqa: BLE001 - whatever ended the thread, the process must hear of it
            error = problem
        with contextlib.suppress(RuntimeError):  # our loop may have ended over the first part's end already
            self._loop.call_soon_threadsafe(self._finish, error)

    def _finish(self, error: BaseException | None) -> None:
        if self._ended.done():
            return
        if self._asked_to_stop:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(RuntimeError(f"kopf ended: {type(error).__name__}: {error}"))

    async def _operate(self) -> None:
        scope: dict[str, Any] = {"namespaces": self._namespaces} if self._namespaces else {"clusterwide": True}
        # Kopf cancels what is younger than itself, so the pulse comes first.
        pulse = asyncio.create_task(self._beat())
        older = asyncio.all_tasks()
        try:
            parts = await kopf.spawn_tasks(registry=self._registry, standalone=True, stop_flag=self._stop, **scope)
            messenger = asyncio.create_task(self._tell_first_end(parts))
            await kopf.run_tasks(parts, ignored={*older, messenger})
        finally:
            pulse.cancel()
            # Kopf waits for the flag in a thread of the loop's pool, and without it the loop would never close.
            self._stop.set()

    async def _tell_first_end(self, parts: Collection[asyncio.Task[None]]) -> None:
        """Kopf lives as long as each of its parts; cleaning up afterwards takes seconds that others wait for us."""
        done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        error = next((part.exception() for part in done if not part.cancelled()), None)
        self._loop.call_soon_threadsafe(self._finish, error)

    async def _beat(self) -> None:
        while True:
            self._beaten = time.monotonic()
            await asyncio.sleep(BEAT)


def _configure(settings: kopf.OperatorSettings) -> None:
    settings.persistence.finalizer = FINALIZER
    settings.persistence.diffbase_storage = _NoDifferences()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = None
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.inactivity_timeout = SILENCE
    # Decoded at once, thousands of objects take more memory than all the rest.
    settings.watching.chunk_size = PAGE
    # What can pass is waited out by the session; what reaches kopf all the same is tried but a few times more.
    settings.networking.error_backoffs = (1, 1, 2)
    # A task waits for the next event of each object: after a list there is one for every object, and kopf's end waits
    # for them all.
    settings.queueing.idle_timeout = IDLE_SECONDS


class _NoDifferences(kopf.DiffBaseStorage):
    """Nobody asks kopf what changed; its own storages copy each object deeply, several times, to be able to say."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None
