"""Restarts: one subject for the whole operator, hence one after the other. It admits what the budgets allow.

What is under way is read from the workloads themselves, so a crash, or a new leader, counts the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from breakwater.kernel.ownership import MANAGED_BY, MANAGER, SUBJECT, Free, Ours, Taken, claim
from breakwater.kernel.plan import VERSION, Action, Disruption, PatchFields, Plan, RelabelSecret, Version, WriteSecret
from breakwater.kernel.reading import Present
from breakwater.kernel.references import Ref, Subject
from breakwater.kernel.restrain import SETTLED
from breakwater.kernel.time import to_rfc3339
from breakwater.kernel.world import World
from breakwater.pki.recipes import GeneratePassword
from breakwater.workloads.marking import KEY_LENGTH, MARKING_KEY, RESTARTS, key_secret, ordered_fact, token_of
from breakwater.workloads.permission import State
from breakwater.workloads.target import CONTENT, HALTED, RESTARTED_AT, TARGET
from breakwater.workloads.template import FIELD_MANAGER, patch
from breakwater.workloads.workload import KIND as WORKLOAD
from breakwater.workloads.workload import Standing, ref_of

OPAQUE = "Opaque"
TURN = 20
"""Seconds for which the same one of those who are refused is the first to be tried again."""


def plan(subject: Subject, world: World, now: datetime) -> Plan:
    """Make the key for marks; order, halt and tidy up restarts."""
    actions, fault = list(_key(subject, world)), _key_fault(subject, world)
    reading = world.derived_of(WORKLOAD)
    standings: Mapping[Subject, Standing] = reading.value if isinstance(reading, Present) else {}
    actions += _notes(standings, world)
    # Before every demand is known nobody can tell what is under way, and whose budget is the strictest.
    if not isinstance(world.fact(SETTLED), Present):
        return Plan(actions=tuple(actions), value=fault or None)
    admitted, waiting = _admitted(standings, world, now)
    actions += [_order(workload, standings[workload], world, now) for workload in admitted]
    return Plan(actions=tuple(actions), value=waiting | fault or None)


def _key(subject: Subject, world: World) -> Iterator[Action]:
    """The key for marks: made where there is none, made anew where it is none, marked as ours again."""
    ref = key_secret(world)
    held = claim(world, ref, subject)
    if isinstance(held, Free):
        yield _new_key(ref, "MarkingKeyMissing", None)
    elif isinstance(held, Ours) and held.entry.project(MARKING_KEY) is None:
        yield _new_key(ref, "MarkingKeyBroken", held.mark.version, held.taking_up)
    elif isinstance(held, Ours) and not _is_marked(held):
        yield RelabelSecret(
            id=KEY_ID,
            target=ref,
            reason="MarkingKeyUnmarked",
            message="a label or annotation of ours was changed",
            labels=_LABELS,
            annotations={**_ANNOTATIONS, **held.taking_up},
            replaces=held.mark.version,
        )


KEY_ID = "marking-key"
_LABELS, _ANNOTATIONS = {MANAGED_BY: MANAGER}, {SUBJECT: str(RESTARTS)}


def _is_marked(held: Ours) -> bool:
    labelled = _LABELS.items() <= held.entry.labels.items()
    return labelled and _ANNOTATIONS.items() <= held.entry.annotations.items() and not held.mark.restored


def _key_fault(subject: Subject, world: World) -> dict[Subject, str]:
    """Why there is no key for marks, and what to do: without one nothing can be compared and nothing is restarted."""
    ref, failure = key_secret(world), world.failure(KEY_ID)
    held = claim(world, ref, subject)
    if isinstance(held, Taken):
        return {RESTARTS: f"{ref}, which is to hold the key for marks, belongs to {held.by}; rename or delete it"}
    return {RESTARTS: failure.message} if failure and failure.reason != "Conflict" else {}


def _new_key(ref: Ref, reason: str, replaces: Version | None, taking_up: Mapping[str, str] | None = None) -> Action:
    return WriteSecret(
        id=KEY_ID,
        target=ref,
        reason=reason,
        message="contents of Secrets are marked with a key, lest passwords be guessed from their marks",
        parts=(GeneratePassword(KEY_LENGTH, "restarts"),),
        secret_type=OPAQUE,
        labels=_LABELS,
        annotations={**_ANNOTATIONS, **(taking_up or {})},
        replaces=replaces,
    )


def _admitted(
    standings: Mapping[Subject, Standing], world: World, now: datetime
) -> tuple[list[Subject], dict[Subject, str]]:
    """Who may start now, in order; and why the others that could must wait."""
    places = Counter(item[0].namespace for item in standings.items() if _is_under_way(*item, world))
    allowed, failed = _allowed(standings), _failed(standings)
    # What never comes back in one namespace must not take the last place from all the others.
    share = max(1, world.settings.max_restarts - 1)
    admitted: list[Subject] = []
    waiting: dict[Subject, str] = {}
    due = [item for item in standings.items() if item[1].state is State.DUE and not _is_stale(*item, world)]
    for workload, standing in _in_order(due, world, now):
        stopping = ((workload.namespace, schedule) for schedule in sorted(standing.rules.schedules))
        stopped = next((failed[rule] for rule in stopping if rule in failed), None)
        held = _held(workload, standing)
        if held:
            waiting[workload] = held
        elif stopped is not None:
            waiting[workload] = f"the restart of {_named(stopped)} did not come back and holds its schedule here"
        elif places[workload.namespace] >= allowed[workload.namespace]:
            waiting[workload] = f"{allowed[workload.namespace]} at once in this namespace (restarts.maxConcurrent)"
        elif places[workload.namespace] >= share and world.settings.max_restarts > 1:
            waiting[workload] = f"{share} at once in a namespace, so that others have a place too (--max-restarts)"
        elif places.total() >= world.settings.max_restarts:
            waiting[workload] = f"{world.settings.max_restarts} at once in the cluster (--max-restarts)"
        else:
            admitted.append(workload)
            places[workload.namespace] += 1
    return admitted, waiting | dict(_refusals((workload for workload, _ in due), world))


def _held(workload: Subject, standing: Standing) -> str:
    """Who holds an annotation that an order would write; it is not taken from him."""
    for key in (CONTENT, RESTARTED_AT):
        manager = standing.target.holders.get(key)
        if manager is not None:
            field = f"spec.template.metadata.annotations.{key}"
            return f'{_named(workload)}: {field} is set by "{manager}"; remove it there'
    return ""


def _in_order(due: list[tuple[Subject, Standing]], world: World, now: datetime) -> list[tuple[Subject, Standing]]:
    """Servers before clients. Who is refused takes nobody's place, for that may go on for ever; they take turns."""
    ordered = sorted(due, key=lambda item: (not item[1].server, item[0]))
    refused = [item for item in ordered if _is_refused(item[0], world)]
    first = int(now.timestamp() // TURN) % len(refused) if refused else 0
    return [item for item in ordered if item not in refused] + refused[first:] + refused[:first]


def _refusals(due: Iterable[Subject], world: World) -> Iterator[tuple[Subject, str]]:
    """Why the last try to order these failed; what planning again mends is not worth a word."""
    for workload in due:
        failure = world.failure(_order_id(workload))
        if failure is not None and failure.reason != "Conflict":
            yield workload, failure.message


def _is_refused(workload: Subject, world: World) -> bool:
    """Whether the last order was not carried out; without an answer it may have been, and counts in the budgets."""
    failure = world.failure(_order_id(workload))
    return failure is not None and failure.reason != "Unreachable"


def _order_id(workload: Subject) -> str:
    return f"restart:{workload}"


def _failed(standings: Mapping[Subject, Standing]) -> dict[tuple[str, str], Subject]:
    """What did not come back, by namespace and schedule; a schedule may be that of everybody, its failures are not."""
    return {
        (workload.namespace, schedule): workload
        for workload, standing in sorted(standings.items())
        if standing.state in (State.HALTED, State.FAILED) and standing.rules.stop_on_failure
        for schedule in standing.rules.schedules
    }


def _allowed(standings: Mapping[Subject, Standing]) -> dict[str, int]:
    allowed: dict[str, int] = {}
    for workload, standing in standings.items():
        most = standing.rules.max_concurrent
        allowed[workload.namespace] = min(most, allowed.get(workload.namespace, most))
    return allowed


def _is_under_way(workload: Subject, standing: Standing, world: World) -> bool:
    if standing.state in (State.RESTARTING, State.FAILED):
        return True
    # Ordered a moment ago: its demand is not planned again yet.
    return standing.state is State.DUE and _is_stale(workload, standing, world)


def _is_stale(workload: Subject, standing: Standing, world: World) -> bool:
    ref = ref_of(workload)
    reading = world.get(ref, TARGET) if ref else None
    if not isinstance(reading, Present) or reading.value != standing.target:
        return True
    # The order was undone before its demand was planned again.
    ordered = world.fact(ordered_fact(workload))
    undone = isinstance(ordered, Present) and ordered.value == token_of(standing.order)
    return undone and standing.target.restarted_for != standing.order


def _order(workload: Subject, standing: Standing, world: World, now: datetime) -> Action:
    target = standing.target
    record = {CONTENT: standing.order, RESTARTED_AT: to_rfc3339(now)}
    fields = patch(standing.fields, dict(target.placed), target.whole, target.containers)
    template = {"metadata": {"annotations": record}} | ({"spec": fields} if fields else {})
    change: dict[str, Any] = {"spec": {"template": template}}
    if target.halted and HALTED not in target.holders:
        change["metadata"] = {"annotations": {HALTED: None}}
    return _patch(
        _order_id(workload),
        workload,
        world,
        change,
        reason="Restart",
        message=standing.message.partition(":")[0],
        disruption=Disruption.OUTAGE if target.outage else Disruption.RESTART,
        notable=True,
        leaves={ordered_fact(workload): token_of(standing.order)},
    )


def _notes(standings: Mapping[Subject, Standing], world: World) -> Iterator[Action]:
    """`restart-halted` where a restart did not come back; and away with it where that is over."""
    for workload, standing in sorted(standings.items()):
        target = standing.target
        failed, over = standing.state is State.FAILED, standing.state is State.CURRENT and target.halted
        if not (failed or over) or HALTED in target.holders or _is_stale(workload, standing, world):
            continue
        if failed:
            yield _patch(
                f"halt:{workload}",
                workload,
                world,
                {"metadata": {"annotations": {HALTED: token_of(target.restarted_for)}}},
                reason="RestartHalted",
                message=f"{standing.message}; further restarts wait until it is mended",
                notable=True,
            )
        else:
            yield _patch(
                f"resume:{workload}",
                workload,
                world,
                {"metadata": {"annotations": {HALTED: None}}},
                reason="RestartCameBack",
                message="its pods came back after all",
            )


def _patch(action_id: str, workload: Subject, world: World, change: Mapping[str, Any], **rest: Any) -> Action:
    ref = ref_of(workload)
    live = world.get(ref, VERSION) if ref else None
    if ref is None or not isinstance(live, Present):
        raise ValueError(f"{workload}: it was planned as it stands, so it is there")
    return PatchFields(id=action_id, target=ref, manifest=change, manager=FIELD_MANAGER, decided_on=live.value, **rest)


def _named(workload: Subject) -> str:
    ref: Ref | None = ref_of(workload)
    return str(ref)
