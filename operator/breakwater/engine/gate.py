"""The gate before every deletion for want of a declaration: settles bursts, stops mass deletions, asks for a word."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from breakwater.cluster.events import Events, News
from breakwater.cluster.inventory import Inventory
from breakwater.engine.catalogue import Catalogue
from breakwater.engine.metrics import Metrics
from breakwater.kernel.ownership import OWNED, Mark
from breakwater.kernel.pruning import CONFIRM, DEFINITION, WINDOW, Left, Vanished, judge, questioned, token
from breakwater.kernel.reading import ABSENT, Absent, Present
from breakwater.kernel.references import CUSTOM_RESOURCE_DEFINITION, NAMESPACE, Ref, Subject, definition_of
from breakwater.kernel.restrain import SETTLED, is_ending

log = logging.getLogger(__name__)

TICK = 0.5
"""The fact that every subject known at the start was planned once."""


class PruneGate:
    """Opens when nothing waits to be planned any more; then states a permit per vanished subject."""

    def __init__(
        self,
        catalogue: Catalogue,
        inventory: Inventory,
        events: Events,
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._inventory = inventory
        self._events = events
        self._metrics = metrics
        self._now = now
        self._left: dict[Subject, Left] = {}
        self._pruned: deque[datetime] = deque()
        self._confirmed: set[Subject] = set()
        self._asked = ""
        self._seen: tuple[int, ...] = ()
        self._indexes = (OWNED, *catalogue.left)
        resources = dict.fromkeys(resource for index in self._indexes for resource in index.resources)
        self._judged = (*resources, *catalogue.declared, NAMESPACE, CUSTOM_RESOURCE_DEFINITION)

    async def run(self, settled: Callable[[], bool]) -> None:
        """Judge twice a second, until cancelled; begins, and says so, when the first plans of all subjects are done."""
        while not settled():  # noqa: ASYNC110 - asked at start only; an event would have to be kept for ever
            await asyncio.sleep(TICK)
        log.info("settled")
        self._inventory.state(SETTLED, Present(value=True))
        while True:
            # Looking through everything that was ever made is not free, and mostly nothing of it has changed.
            seen = tuple(self._inventory.changes[resource] for resource in self._judged)
            if self._left or self._seen != seen:
                self._seen = seen
                asked = self._judge()
                if asked:
                    await self._ask(asked)
            await asyncio.sleep(TICK)

    def _judge(self) -> Mapping[Subject, Left]:
        """State a permit for every vanished subject; returns those that need a person's word."""
        now = self._now()
        self._update(now)
        state = self._state()
        asked = questioned(state, now)
        if asked and self._confirmation() == token(asked):
            log.warning("mass deletion confirmed", extra={"token": token(asked), "declarations": len(asked)})
            self._confirmed |= asked.keys()
            state, asked = self._state(), {}
        for subject, permit in judge(state, now).items():
            self._inventory.state(("prune", subject), Present(permit))
        self._metrics.vanished.set(len(self._left))
        self._metrics.mass_deletion.set(bool(asked))
        return asked

    def _state(self) -> Vanished:
        declared = sum(1 for resource in self._catalogue.declared for _ in self._inventory.held(resource))
        return Vanished(self._left, frozenset(self._confirmed), tuple(self._pruned), declared)

    def _update(self, now: datetime) -> None:
        left = {subject: self._remains(subject, declaration, now) for subject, declaration in self._vanished()}
        for subject in self._left.keys() - left.keys():
            self._inventory.state(("prune", subject), ABSENT)
            if subject not in self._confirmed and self._is_undeclared(subject):
                self._pruned.append(now)
            self._confirmed.discard(subject)
        self._left = left
        while self._pruned and now - self._pruned[0] > WINDOW:
            self._pruned.popleft()

    def _remains(self, subject: Subject, declaration: Ref, now: datetime) -> Left:
        marks = self._owned(subject)
        definition = self._inventory.metadata(definition_of(declaration.resource))
        declared = self._inventory.fact(("declared", subject))
        return Left(
            since=self._left[subject].since if subject in self._left else now,
            objects={ref: mark.version for ref, mark in marks.items()},
            oldest=min(mark.created for mark in marks.values()),
            declared=declared.value if isinstance(declared, Present) else "",
            definition=definition.value.project(DEFINITION) if isinstance(definition, Present) else None,
        )

    def _vanished(self) -> Iterator[tuple[Subject, Ref]]:
        """Those whose declaration is gone and that left something behind; nobody is asked about a namespace's end."""
        for key in {key: None for index in self._indexes for key in self._inventory.keys(index)}:
            if not isinstance(key, Subject) or not self._is_undeclared(key):
                continue
            declaration = self._catalogue.declaration(key)
            if declaration and self._owned(key) and not is_ending(self._inventory, key.namespace):
                yield key, declaration

    def _owned(self, subject: Subject) -> Mapping[Ref, Mark]:
        marks: dict[Ref, Mark] = {}
        for index in self._indexes:
            found = self._inventory.indexed(index, subject)
            marks |= found.value if isinstance(found, Present) else {}
        return {ref: mark for ref, mark in marks.items() if not (mark.released or mark.deleting)}

    def _is_undeclared(self, subject: Subject) -> bool:
        declaration = self._catalogue.declaration(subject)
        return declaration is not None and isinstance(self._inventory.metadata(declaration), Absent)

    def _confirmation(self) -> str | None:
        namespace = self._inventory.metadata(self._home())
        return namespace.value.annotations.get(CONFIRM) if isinstance(namespace, Present) else None

    def _home(self) -> Ref:
        return Ref(NAMESPACE, "", self._inventory.settings.namespace)

    async def _ask(self, asked: Mapping[Subject, Left]) -> None:
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
