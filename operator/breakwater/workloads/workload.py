"""Workload(kind, namespace, name): what its pods run with, against what they should. A demand, never a write.

What pods run with is known from two places: the record on the pod template, once we restarted them, and what those who
ask remember in their status. Where neither knows a Secret, first sight restarts nothing. Fields that a template
is to bear stand in it or do not: nobody has to remember them, and a missing one is a reason at first sight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
from breakwater.workloads.target import CONTENT, TARGET, Target
from breakwater.workloads.template import POD_DEFAULTS, Fields, content_of
from breakwater.workloads.wanted import Compared, compared, has_borne, unasked, until, wanted_of

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
        ordered, halted: what the askers are to remember of the last restart that was seen.
        server: whether it is a serving end.
        fields: those of its template that are to be ours, which a restart brings.
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
    fields: Fields = field(default_factory=dict)
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


def _trace(manifest: Manifest) -> Subject | None:
    """Not by the target: most workloads are nobody's business and never projected."""
    template, metadata = manifest.get("template") or {}, manifest["metadata"]
    if not template.get("placed") and not has_borne((template.get("annotations") or {}).get(CONTENT, "")):
        return None
    return subject_of(manifest["kind"], metadata["namespace"], metadata["name"])


TRACE: Projection[Subject | None] = Projection("template-trace", _trace)
"""The Workload in whose template fields stand, or stood, by our hand."""


def plan(subject: Subject, world: World, now: datetime) -> Plan:
    """State how it stands; nothing where it does not exist or nobody asks."""
    ref = ref_of(subject)
    said = tuple(asking for _, asking in sorted(world.askers().items()) if isinstance(asking, Asking))
    reading = world.get(ref, TARGET) if ref else None
    if ref is None or not isinstance(reading, Present):
        return Plan(mentions={RESTARTS: None} if said else {})
    own = unasked(reading.value, said, subject.namespace, world, now)
    askings = (*said, own) if own else said
    if not askings:
        return Plan()
    mentions, key = {RESTARTS: None}, marking_key(world)
    needed = _needed(reading.value, askings, subject.namespace, key, world) if key else None
    if key is None or needed is None:
        return Plan(mentions=mentions)
    found = _compared(reading.value, askings, needed, key, now)
    standing, due = _judged(ref, subject, reading.value, askings, found, world, now)
    # Whose restart it was is not remembered for ever, nor is anybody kept for whom nobody speaks any more.
    over = until(reading.value) if own or (found.template and found.template.ordered) else None
    return Plan(value=standing, mentions=mentions, due=earliest(due, over if over and over > now else None))


def _judged(
    ref: Ref,
    subject: Subject,
    target: Target,
    askings: tuple[Asking, ...],
    found: _Compared,
    world: World,
    now: datetime,
) -> tuple[Standing, datetime | None]:
    """How it stands, and when to look again."""
    restarting = tuple(asking for asking in askings if asking.restart)
    published = world.derived(subject)
    last: Standing | None = published.value if isinstance(published, Present) else None
    case = Case(
        workload=f"-n {ref.namespace} {ref.resource.plural}/{ref.name}",
        namespace=ref.namespace,
        target=target,
        askings=askings,
        rules=strictest(restarting),
        order=record_of(found.needed),
        seen=_seen(subject, world, target),
        halted=last.halted if last else "",
        world=world,
        now=now,
    )
    standing, due = _standing(case, restarting, found)
    settled, ready = _settled(standing, last, now)
    return settled, earliest(due, ready)


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


SECRET_CONTENT: Projection[Sealed] = Projection("secret-content", _content)


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
        fields: of the template, marked as POD_DEFAULTS; None where it never bore any of ours.
    """

    marks: Mapping[str, str]
    fresh: frozenset[str]
    fields: Fields | None


def _needed(target: Target, askings: tuple[Asking, ...], namespace: str, key: Sealed, world: World) -> _Needed | None:
    """None while one of the Secrets cannot be read."""
    spoken_for = {name for asking in askings for name in asking.secrets}
    marks: dict[str, str] = {}
    fresh: set[str] = set()
    for name in sorted(spoken_for & target.secrets):
        ref = Ref(SECRET, namespace, name)
        content, written = world.get(ref, SECRET_CONTENT), world.get(ref, WRITTEN)
        if isinstance(content, Unknown):
            return None
        if isinstance(content, Present):
            marks[name] = mark_of(content.value, key)
            since = written.value if isinstance(written, Present) else None
            fresh |= {name} if target.created and since and since < target.created else set()
    fields = wanted_of(target, askings)
    if fields is not None:
        marks[POD_DEFAULTS] = mark_of(content_of(target.uid, fields), key)
    return _Needed(marks, frozenset(fresh), fields)


@dataclass(frozen=True, slots=True)
class _Compared:
    """What the pods run with, and for which Secrets that is not what they should.

    Attributes:
        ordered: a restart for it was ordered, and nobody has seen its end yet.
        changed: nothing was ordered for it.
        template: the fields of the template among them; None where it never bore any of ours.
    """

    needed: Mapping[str, str]
    running: Mapping[str, str]
    ordered: frozenset[str]
    changed: frozenset[str]
    template: Compared | None


def _compared(target: Target, askings: tuple[Asking, ...], needed: _Needed, key: Sealed, now: datetime) -> _Compared:
    recorded = comparable(read_record(target.restarted_for), key)
    remembered = [comparable(asking.secrets, key) for asking in askings]
    # A Secret that is gone comes back with another content; until then what is known of it must not be forgotten.
    running = {name: mark for marks in remembered for name, mark in marks.items() if name in target.secrets}
    ordered: set[str] = set()
    changed: set[str] = set()
    template = None
    if needed.fields is not None:
        template = compared(target, needed.fields, needed.marks[POD_DEFAULTS], recorded, now)
        changed |= set() if template.stands else {POD_DEFAULTS}
        ordered |= {POD_DEFAULTS} if template.ordered else set()
    for name, mark in needed.marks.items():
        if name == POD_DEFAULTS:
            continue
        known = [marks[name] for marks in remembered if name in marks]
        if mark in known or name in needed.fresh or not (known or name in recorded):
            running[name] = mark
            continue
        running[name] = known[0] if known else recorded[name]
        (ordered if recorded.get(name) == mark else changed).add(name)
    return _Compared(needed.marks, running, frozenset(ordered), frozenset(changed), template)


def _standing(case: Case, restarting: tuple[Asking, ...], found: _Compared) -> tuple[Standing, datetime | None]:
    wanted = {name for asking in restarting for name in asking.secrets}
    wanted |= {POD_DEFAULTS} if any(asking.template is not None for asking in restarting) else set()
    # Nobody asks for a restart over these: whoever uses them reads them anew by itself.
    running = dict(found.running) | {name: found.needed[name] for name in found.changed - wanted}
    verdict = _verdict(case, found.changed & wanted, found)
    if verdict.state is State.CURRENT:
        running |= found.needed
    seen = case.seen or next((each.ordered for each in case.askings if each.ordered), "")
    halted = case.token if verdict.state is State.HALTED or verdict.retries else ""
    standing = Standing(
        target=case.target,
        state=verdict.state,
        message=verdict.message,
        running=running,
        order=case.order,
        ordered=seen,
        halted=halted,
        rules=case.rules,
        server=any(asking.server for asking in restarting),
        fields=found.template.fields if found.template else {},
    )
    return standing, verdict.due


def _verdict(case: Case, changed: frozenset[str], found: _Compared) -> Verdict:
    if case.target.replicas == 0 and POD_DEFAULTS not in changed:
        return Verdict(State.CURRENT)
    if changed:
        undone = changed == {POD_DEFAULTS} and found.template is not None and found.template.undone
        return permission(case, changed, undone=undone)
    return progress(case, found.ordered) if found.ordered else Verdict(State.CURRENT)
