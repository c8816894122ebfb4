"""The gate before every deletion for want of a declaration: settles bursts, stops mass deletions, asks for a word."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime

from breakwater.cluster.events import Events, News
from breakwater.cluster.inventory import Inventory
from breakwater.engine.catalogue import Catalogue
from breakwater.engine.metrics import Metrics
from breakwater.engine.wakes import Reads
from breakwater.kernel.ownership import OWNED
from breakwater.kernel.pruning import CONFIRM, WINDOW, Vanished, judge, questioned, token
from breakwater.kernel.reading import ABSENT, Absent, Present
from breakwater.kernel.references import NAMESPACE, Ref, Subject, definition_of

log = logging.getLogger(__name__)

TICK = 0.5


class PruneGate:
    """Opens only when every subject was planned once; then states a permit per vanished subject."""

    def __init__(
        self,
        catalogue: Catalogue,
        inventory: Inventory,
        reads: Reads,
        events: Events,
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._inventory = inventory
        self._reads = reads
        self._events = events
        self._metrics = metrics
        self._now = now
        self._since: dict[Subject, datetime] = {}
        self._pruned: deque[datetime] = deque()
        self._confirmed: set[Subject] = set()
        self._asked = ""

    async def run(self, settled: Callable[[], bool]) -> None:
        """Judge twice a second, until cancelled."""
        while not settled():  # noqa: ASYNC110 - asked at start only; an event would have to be kept for ever
            await asyncio.sleep(TICK)
        while True:
            asked = self._judge()
            if asked:
                await self._ask(asked)
            await asyncio.sleep(TICK)

    def _judge(self) -> frozenset[Subject]:
        """State a permit for every vanished subject; returns those that need a person's word."""
        now = self._now()
        self._update(now)
        state = self._state()
        asked = questioned(state, now)
        if asked and self._confirmation() == token(asked):
            log.warning("mass deletion confirmed", extra={"token": token(asked), "declarations": len(asked)})
            self._confirmed |= asked
            state, asked = self._state(), frozenset()
        for subject, permit in judge(state, now).items():
            self._inventory.state(("prune", subject), Present(permit))
        self._metrics.vanished.set(len(self._since))
        self._metrics.mass_deletion.set(bool(asked))
        return asked

    def _state(self) -> Vanished:
        declared = sum(1 for subject in self._reads.subjects if self._catalogue.declaration(subject))
        doubtful = frozenset(subject for subject in self._since if self._is_doubtful(subject))
        return Vanished(self._since, doubtful, frozenset(self._confirmed), tuple(self._pruned), declared)

    def _update(self, now: datetime) -> None:
        vanished = set(self._vanished())
        for subject in self._since.keys() - vanished:
            del self._since[subject]
            self._inventory.state(("prune", subject), ABSENT)
            if subject not in self._confirmed and self._is_undeclared(subject):
                self._pruned.append(now)
            self._confirmed.discard(subject)
        for subject in vanished:
            self._since.setdefault(subject, now)
        while self._pruned and now - self._pruned[0] > WINDOW:
            self._pruned.popleft()

    def _is_doubtful(self, subject: Subject) -> bool:
        """A CRD that was deleted takes its resources along; applied again, it must not cost their keys."""
        declaration = self._catalogue.declaration(subject)
        if declaration is None:
            return False
        definition = self._inventory.metadata(definition_of(declaration.resource))
        owned = self._inventory.indexed(OWNED, subject)
        if not isinstance(definition, Present) or not isinstance(owned, Present):
            return True
        born = definition.value.metadata.get("creationTimestamp", "")
        return any(mark.created <= born for mark in owned.value.values())

    def _is_undeclared(self, subject: Subject) -> bool:
        declaration = self._catalogue.declaration(subject)
        return declaration is not None and isinstance(self._inventory.metadata(declaration), Absent)

    def _vanished(self) -> Iterator[Subject]:
        for key in self._inventory.keys(OWNED):
            if not isinstance(key, Subject):
                continue
            if not self._is_undeclared(key):
                continue
            owned = self._inventory.indexed(OWNED, key)
            if isinstance(owned, Present) and any(not mark.released for mark in owned.value.values()):
                yield key

    def _confirmation(self) -> str | None:
        namespace = self._inventory.metadata(self._home())
        return namespace.value.annotations.get(CONFIRM) if isinstance(namespace, Present) else None

    def _home(self) -> Ref:
        return Ref(NAMESPACE, "", self._inventory.settings.namespace)

    async def _ask(self, asked: frozenset[Subject]) -> None:
        home = self._inventory.metadata(self._home())
        if not isinstance(home, Present):
            return
        name = token(asked)
        note = (
            f"{len(asked)} declarations vanished at once, or with their definition; nothing of theirs is deleted or "
            f"released. If that is meant: kubectl annotate --overwrite namespace {self._home().name} {CONFIRM}={name}"
        )
        if name != self._asked:
            self._asked = name
            log.warning("mass deletion", extra={"token": name, "declarations": len(asked)})
        await self._events.tell(
            News(NAMESPACE, home.value.manifest, warning=True, reason="MassDeletion", action="Prune", note=note)
        )
