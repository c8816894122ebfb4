"""Plan, act, read back, until there is nothing to do; then status, once, if it changed."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from breakwater.cluster.client import ApiError
from breakwater.cluster.events import Events, News
from breakwater.cluster.informer import without_managers
from breakwater.cluster.inventory import Inventory
from breakwater.cluster.writes import Writer
from breakwater.engine.catalogue import Catalogue
from breakwater.engine.execute import Executor
from breakwater.engine.measuring import Measuring
from breakwater.engine.metrics import Metrics
from breakwater.engine.queue import WorkQueue
from breakwater.engine.wakes import Reads
from breakwater.kernel.ownership import OWNED
from breakwater.kernel.plan import Action, Ending, Failure, Plan
from breakwater.kernel.reading import ABSENT, CREATED, NOT_FETCHED, NOT_PLANNED, NOT_SYNCED, Absent, Entry, Present
from breakwater.kernel.references import Subject
from breakwater.kernel.restrain import is_ending, restrain
from breakwater.kernel.world import World

log = logging.getLogger(__name__)

ROUNDS = 3
TRANSIENT = (NOT_SYNCED.reason, NOT_FETCHED.reason, NOT_PLANNED.reason)
REPLANS_A_MINUTE = 20
HOLD_SECONDS = 20.0


class Reconciler:
    """The one way through the house, for every subject."""

    def __init__(
        self,
        catalogue: Catalogue,
        inventory: Inventory,
        reads: Reads,
        queue: WorkQueue,
        writer: Writer,
        executor: Executor,
        measuring: Measuring,
        events: Events,
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._catalogue = catalogue
        self._inventory = inventory
        self._reads = reads
        self._queue = queue
        self._writer = writer
        self._executor = executor
        self._measuring = measuring
        self._events = events
        self._metrics = metrics
        self._now = now
        # Without their status, which is large and stands in the cluster: of it a digest is enough.
        self._last: dict[Subject, Plan] = {}
        self._said: dict[Subject, bytes] = {}
        self._repeats: dict[Subject, deque[float]] = {}
        self._mentioned: dict[Subject, dict[Subject, Any]] = {}
        self._said_to: dict[Subject, Mapping[Subject, Any]] = {}
        self._published: dict[str, dict[Subject, Any]] = {}

    async def reconcile(self, subject: Subject) -> None:
        """One subject, from plan to status. Bugs are logged with their traceback and counted, never renamed."""
        try:
            await self._reconcile(subject)
        except ApiError as error:
            delay = self._queue.back_off(subject, error.retry_after or 0.0)
            log.warning(
                "not finished", extra={"subject": str(subject), "error": str(error), "again_in": round(delay, 1)}
            )
        except Exception:
            # The last line of defence: one subject's bug must not stop the others.
            self._metrics.bugs.labels(subject.kind).inc()
            delay = self._queue.back_off(subject)
            if self._catalogue.kinds[subject.kind].resource is None:
                # Whoever reads it must not wait for a word that does not come.
                self._publish(subject, self._published.get(subject.kind, {}).get(subject))
            log.exception("bug", extra={"subject": str(subject), "again_in": round(delay, 1)})

    async def _reconcile(self, subject: Subject) -> None:
        failures: dict[str, Failure] = {}
        plan = self._plan(subject)
        # Before anything is written: whoever is woken by a write must not go by what was said to him until then.
        self._mention(subject, {**self._said_to.get(subject, {}), **plan.mentions})
        for _ in range(ROUNDS):
            todo = [action for action in plan.actions if action.id not in failures]
            if not todo:
                break
            failures |= await self._act(subject, todo, failures)
            self._inventory.remember(subject, failures)
            plan = self._plan(subject)
        else:
            if any(action.id not in failures for action in plan.actions):
                self._queue.add_after(subject, 1.0)
        if not plan.actions and not failures:
            self._inventory.remember(subject, {})
        self._settle(subject, plan)
        await self._write_status(subject, plan)
        self._schedule(subject, plan, failures)

    def _plan(self, subject: Subject) -> Plan:
        self._queue.clean(subject)
        world = World(self._inventory, subject)
        started = time.perf_counter()
        plan = restrain(self._catalogue.kinds[subject.kind].plan(subject, world, self._now()), world, subject)
        self._metrics.plan_seconds.labels(subject.kind).observe(time.perf_counter() - started)
        self._metrics.plans.labels(subject.kind).inc()
        self._reads.record(subject, world.reads, world.unknowns)
        if _is_transient(world):
            return self._without_drops(subject, plan)
        last = self._last.get(subject)
        # What was mentioned by somebody who knew more stays so.
        return replace(plan, mentions={**last.mentions, **plan.mentions}) if last and _is_blind(world) else plan

    def _without_drops(self, subject: Subject, plan: Plan) -> Plan:
        """While something is about to be known, nothing is dropped or said: its arrival wakes the subject."""
        last = self._last.get(subject)
        if last is None:
            return replace(plan, status=None)
        measures = {measure.name: measure for measure in (*last.measures, *plan.measures)}
        mentions = {**last.mentions, **plan.mentions}
        return replace(plan, status=None, measures=tuple(measures.values()), mentions=mentions)

    async def _act(self, subject: Subject, todo: list[Action], failed: Mapping[str, Failure]) -> dict[str, Failure]:
        failures: dict[str, Failure] = {}
        for action in todo:
            blocker = next((id_ for id_ in action.after if id_ in failures or id_ in failed), None)
            if blocker is not None:
                cause = failures.get(blocker) or failed[blocker]
                failures[action.id] = replace(cause, message=f"waiting for {blocker}: {cause.message}")
                continue
            with self._inventory.writing(action.target):
                failure, take = await self._executor.run(action)
                with self._queue.ignoring(subject):
                    take()
            if failure is not None:
                failures[action.id] = failure
            if failure is not None or action.notable:
                await self._tell(subject, action, failure)
        return failures

    def _settle(self, subject: Subject, plan: Plan) -> None:
        """Make what the final plan says known: values, mentions, measurements."""
        if self._catalogue.kinds[subject.kind].resource is None:
            # Who reads what it said itself has taken that in; its next plan goes by it.
            with self._queue.ignoring(subject):
                self._publish(subject, plan.value)
        self._note_declared(subject)
        self._mention(subject, plan.mentions)
        self._count_repeats(subject, plan)
        self._measuring.want(subject, plan.measures)
        if self._is_over(subject, plan):
            self._forget(subject)

    def _publish(self, subject: Subject, value: Any) -> None:
        values = self._published.setdefault(subject.kind, {})
        if value is None:
            values.pop(subject, None)
        else:
            values[subject] = value
        self._inventory.state(("derived", subject), Present(value))
        # Read by those who weigh all of them against each other; a burst of changes is one to them.
        self._inventory.state(("derived-of", subject.kind), Present(dict(values)), debounced=True)

    def _note_declared(self, subject: Subject) -> None:
        """Keep when the declaration was made, for the day when it is gone; see `pruning.Left`."""
        declaration = self._catalogue.declaration(subject)
        live = self._inventory.metadata(declaration) if declaration else ABSENT
        if isinstance(live, Present):
            created = live.value.project(CREATED)
            self._inventory.state(("declared", subject), Present(created), quiet=True)

    def _mention(self, subject: Subject, mentions: Mapping[Subject, Any]) -> None:
        before = self._said_to.pop(subject, {})
        if mentions:
            self._said_to[subject] = mentions
        for gone in before.keys() - mentions.keys():
            askers = self._mentioned.get(gone, {})
            askers.pop(subject, None)
            if not askers:
                self._mentioned.pop(gone, None)
            self._tell_asked(gone)
            self._queue.add(gone)
        for mentioned, said in mentions.items():
            if mentioned in before and before[mentioned] == said:
                continue
            self._mentioned.setdefault(mentioned, {})[subject] = said
            self._tell_asked(mentioned)
            if mentioned not in before:
                self._queue.add(mentioned)

    def _tell_asked(self, mentioned: Subject) -> None:
        askers = self._mentioned.get(mentioned)
        self._inventory.state(("asked", mentioned), Present(dict(askers)) if askers else ABSENT)

    def _is_over(self, subject: Subject, plan: Plan) -> bool:
        if plan.actions or plan.withheld or plan.due or plan.value is not None or subject in self._mentioned:
            return False
        declaration = self._catalogue.declaration(subject)
        if declaration is not None and not isinstance(self._inventory.metadata(declaration), Absent):
            return False
        owned = self._inventory.indexed(OWNED, subject)
        return isinstance(owned, Present) and all(mark.released for mark in owned.value.values())

    def _forget(self, subject: Subject) -> None:
        self._reads.forget(subject)
        self._queue.forget(subject)
        self._last.pop(subject, None)
        self._said.pop(subject, None)
        self._repeats.pop(subject, None)
        self._inventory.remember(subject, {})
        if self._catalogue.kinds[subject.kind].resource is None:
            self._publish(subject, None)
            self._inventory.state(("derived", subject), ABSENT)
        self._inventory.state(("declared", subject), ABSENT)

    async def _write_status(self, subject: Subject, plan: Plan) -> None:
        declaration = self._catalogue.declaration(subject)
        if plan.status is None or declaration is None:
            return
        reading = self._inventory.look_up(declaration)
        live = reading.value.manifest if isinstance(reading, Present) else None
        if live is None or live.get("status") == plan.status:
            return
        if is_ending(self._inventory, subject.namespace):
            return
        named = ("name", "namespace", "uid", "resourceVersion")
        metadata = {key: value for key, value in live["metadata"].items() if key in named}
        manifest = {**live, "metadata": metadata, "status": plan.status}
        with self._inventory.writing(declaration):
            answer = await self._writer.replace_status(declaration, manifest)
            with self._queue.ignoring(subject):
                self._inventory.answered(declaration.resource, without_managers(answer))
        self._metrics.status_writes.labels(subject.kind).inc()

    def _schedule(self, subject: Subject, plan: Plan, failures: Mapping[str, Failure]) -> None:
        self._queue.add_at(subject, plan.due)
        waits = [failure.at for failure in failures.values() if failure.ending is Ending.AT]
        if any(failure.ending is Ending.AGAIN for failure in failures.values()):
            self._queue.back_off(subject, min(waits, default=0.0))
        elif waits:
            self._queue.add_after(subject, min(waits))
        elif not failures:
            self._queue.succeed(subject)

    def _count_repeats(self, subject: Subject, plan: Plan) -> None:
        """A subject that is woken again and again for the same plan is a mistake of ours; say so and slow it down."""
        kept, said = replace(plan, status=None), _digest(plan.status)
        unchanged = self._last.get(subject) == kept and self._said.get(subject) == said
        self._last[subject], self._said[subject] = kept, said
        if not unchanged:
            self._repeats.pop(subject, None)
            return
        times = self._repeats.setdefault(subject, deque(maxlen=REPLANS_A_MINUTE))
        times.append(time.monotonic())
        if len(times) == REPLANS_A_MINUTE and times[-1] - times[0] < 60:
            times.clear()
            self._metrics.not_converging.labels(subject.kind).inc()
            self._queue.hold(subject, HOLD_SECONDS)
            log.warning("plan not converging", extra={"subject": str(subject), "held_seconds": HOLD_SECONDS})

    async def _tell(self, subject: Subject, action: Action, failure: Failure | None) -> None:
        if (
            failure is not None
            and failure.ending is Ending.AGAIN
            and failure.reason in ("Conflict", "Unreachable", "ServerError")
        ):
            return
        declaration = self._catalogue.declaration(subject)
        about = self._inventory.metadata(declaration) if declaration else self._inventory.metadata(action.target)
        if not isinstance(about, Present):
            return
        resource = declaration.resource if declaration else action.target.resource
        reason, note = (failure.reason, failure.message) if failure else (action.reason, action.message)
        regarding: Entry = about.value
        await self._events.tell(
            News(resource, regarding.manifest, failure is not None, reason, type(action).__name__, note)
        )


def _digest(status: Mapping[str, Any] | None) -> bytes:
    return hashlib.blake2b(orjson.dumps(status, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def _is_blind(world: World) -> bool:
    """Whether something that is there cannot be seen; a type that is not served holds nothing."""
    return any(unknown.reason != "NotServed" for unknown in world.unknowns.values())


def _is_transient(world: World) -> bool:
    return any(unknown.reason in TRANSIENT for unknown in world.unknowns.values())
