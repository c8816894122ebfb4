"""Workload(kind, namespace, name): what its pods run with, against what they should. A demand, never a write.

What pods run with is known from two places: the record on the pod template, once we restarted them, and what those who
ask remember in their status. Where neither knows a Secret, first sight restarts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from breakwater.certificates.keypair import secret_data
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import Manifest, Present, Projection, Unknown
from breakwater.kernel.references import SECRET, Ref, Subject
from breakwater.kernel.sealed import Sealed
from breakwater.kernel.time import earliest, from_rfc3339
from breakwater.kernel.world import World
from breakwater.workloads.asking import Asking, Rules, strictest
from breakwater.workloads.consumers import WORKLOADS
from breakwater.workloads.marking import (
    RESTARTS,
    comparable,
    mark_of,
    marking_key,
    ordered_fact,
    read_record,
    record_of,
    token_of,
)
from breakwater.workloads.permission import Case, State, Verdict, permission, progress
from breakwater.workloads.target import TARGET, Target

KIND = "Workload"
SEPARATOR = ":"
SETTLE = timedelta(seconds=10)
"""So long nothing more may have changed before a restart is ordered; renewals that are due together are one restart."""
LONGEST_SETTLE = timedelta(minutes=1)
"""Whoever changes his Secrets without end is restarted all the same."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is published of one workload.

    Attributes:
        target: the version of the workload that was looked at.
        state: what is to be done, or why nothing is.
        message: for people; names the remedy where there is one.
        running: the mark of the content that its pods are known to run with, by Secret.
        order: the record that a restart writes on the template.
        rules: the strictest of those who ask for a restart.
        ordered, halted: what the askers are to remember of the last restart that was seen.
        server: whether it is a serving end.
        since, changed: when a restart was found to be needed, and for what is needed now; None while none is.
    """

    target: Target
    state: State
    message: str
    running: Mapping[str, str]
    order: str
    ordered: str
    halted: str
    rules: Rules
    server: bool
    since: datetime | None = None
    changed: datetime | None = None


def subject_of(kind: str, namespace: str, name: str) -> Subject:
    """The subject of one workload."""
    return Subject(KIND, namespace, f"{kind}{SEPARATOR}{name}")


def ref_of(subject: Subject) -> Ref | None:
    """The workload itself; None where the subject names no kind that we know."""
    kind, _, name = subject.name.partition(SEPARATOR)
    resource = WORKLOADS.get(kind)
    return Ref(resource, subject.namespace, name) if resource else None


def plan(subject: Subject, world: World, now: datetime) -> Plan:
    """State how it stands; nothing where it does not exist or nobody asks."""
    ref = ref_of(subject)
    askings = tuple(asking for _, asking in sorted(world.askers().items()) if isinstance(asking, Asking))
    if ref is None or not askings:
        return Plan()
    mentions = {RESTARTS: None}
    reading, key = world.get(ref, TARGET), marking_key(world)
    if not isinstance(reading, Present) or key is None:
        return Plan(mentions=mentions)
    needed = _needed(reading.value, askings, subject.namespace, key, world)
    if needed is None:
        return Plan(mentions=mentions)
    found = _compared(reading.value, askings, needed, key)
    restarting = tuple(asking for asking in askings if asking.restart)
    workload = f"-n {ref.namespace} {ref.resource.plural}/{ref.name}"
    rules, order = strictest(restarting), record_of(needed.marks)
    seen = _seen(subject, world, reading.value)
    case = Case(workload, ref.namespace, reading.value, askings, rules, order, seen, world, now)
    standing, due = _standing(case, restarting, found)
    last = world.derived(subject)
    settled, ready = _settled(standing, last.value if isinstance(last, Present) else None, now)
    return Plan(value=settled, mentions=mentions, due=earliest(due, ready))


def _seen(subject: Subject, world: World, target: Target) -> str:
    """The last restart ordered: what this process did, though others may have undone it at once; or the template."""
    ordered = world.fact(ordered_fact(subject))
    return str(ordered.value) if isinstance(ordered, Present) else token_of(target.restarted_for)


def _settled(standing: Standing, last: Standing | None, now: datetime) -> tuple[Standing, datetime | None]:
    """A restart that waits a moment for more: certificates that end together are renewed one after the other."""
    if standing.state is not State.DUE:
        return standing, None
    since = last.since if last and last.since else now
    changed = last.changed if last and last.changed and last.order == standing.order else now
    ready = min(changed + SETTLE, since + LONGEST_SETTLE)
    kept = replace(standing, since=since, changed=changed)
    if now >= ready:
        return kept, None
    return replace(kept, state=State.WAITING, message=f"{standing.message} (more may change just now)"), ready


def _content(manifest: Manifest) -> Sealed:
    entries = (
        b"%d:%s:%d:%s" % (len(key), key.encode(), len(value), value)
        for key, value in sorted(secret_data(manifest).items())
    )
    return Sealed(b"".join(entries))


CONTENT: Projection[Sealed] = Projection("secret-content", _content)


def _written(manifest: Manifest) -> datetime | None:
    times = [from_rfc3339(item.get("time")) for item in manifest["metadata"].get("managedFields") or ()]
    return max((time for time in times if time), default=None)


WRITTEN: Projection[datetime | None] = Projection("secret-written", _written)
"""When anybody last wrote to it, which is no earlier than its content; None where nobody can tell."""


@dataclass(frozen=True, slots=True)
class _Needed:
    """What pods should run with.

    Attributes:
        marks: of each Secret that the pods use and somebody speaks for.
        fresh: those that were last written before the workload was made: no pod of it can run with anything else.
    """

    marks: Mapping[str, str]
    fresh: frozenset[str]


def _needed(target: Target, askings: tuple[Asking, ...], namespace: str, key: Sealed, world: World) -> _Needed | None:
    """None while one of the Secrets cannot be read."""
    spoken_for = {name for asking in askings for name in asking.secrets}
    marks: dict[str, str] = {}
    fresh: set[str] = set()
    for name in sorted(spoken_for & target.secrets):
        ref = Ref(SECRET, namespace, name)
        content, written = world.get(ref, CONTENT), world.get(ref, WRITTEN)
        if isinstance(content, Unknown):
            return None
        if isinstance(content, Present):
            marks[name] = mark_of(content.value, key)
            since = written.value if isinstance(written, Present) else None
            fresh |= {name} if target.created and since and since < target.created else set()
    return _Needed(marks, frozenset(fresh))


@dataclass(frozen=True, slots=True)
class _Compared:
    """What the pods run with, and for which Secrets that is not what they should.

    Attributes:
        ordered: a restart for it was ordered, and nobody has seen its end yet.
        changed: nothing was ordered for it.
    """

    needed: Mapping[str, str]
    running: Mapping[str, str]
    ordered: frozenset[str]
    changed: frozenset[str]


def _compared(target: Target, askings: tuple[Asking, ...], needed: _Needed, key: Sealed) -> _Compared:
    recorded = comparable(read_record(target.restarted_for), key)
    remembered = [comparable(asking.secrets, key) for asking in askings]
    # A Secret that is gone comes back with another content; until then what is known of it must not be forgotten.
    running = {name: mark for marks in remembered for name, mark in marks.items() if name in target.secrets}
    ordered: set[str] = set()
    changed: set[str] = set()
    for name, mark in needed.marks.items():
        known = [marks[name] for marks in remembered if name in marks]
        if mark in known or name in needed.fresh or not (known or name in recorded):
            running[name] = mark
            continue
        running[name] = known[0] if known else recorded[name]
        (ordered if recorded.get(name) == mark else changed).add(name)
    return _Compared(needed.marks, running, frozenset(ordered), frozenset(changed))


def _standing(case: Case, restarting: tuple[Asking, ...], found: _Compared) -> tuple[Standing, datetime | None]:
    wanted = {name for asking in restarting for name in asking.secrets}
    # Nobody asks for a restart over these: whoever uses them reads them anew by itself.
    running = dict(found.running) | {name: found.needed[name] for name in found.changed - wanted}
    verdict = _verdict(case, found.changed & wanted, found.ordered)
    if verdict.state is State.CURRENT:
        running |= found.needed
    seen = case.seen or next((each.ordered for each in case.askings if each.ordered), "")
    halted = case.token if verdict.state is State.HALTED or verdict.retries else ""
    server = any(asking.server for asking in restarting)
    standing = Standing(
        case.target, verdict.state, verdict.message, running, case.order, seen, halted, case.rules, server
    )
    return standing, verdict.due


def _verdict(case: Case, changed: frozenset[str], ordered: frozenset[str]) -> Verdict:
    if case.target.replicas == 0:
        return Verdict(State.CURRENT)
    if changed:
        return permission(case, changed)
    return progress(case, ordered) if ordered else Verdict(State.CURRENT)
