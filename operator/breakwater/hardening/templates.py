"""Defaults in pod templates, where the API server serves no policies that would set them on pods.

What a template leaves open is decided by the same rows as for a pod. What stands there by our hand counts as open, or
it would be taken away as soon as it is there. The fields are said to the workload, and come with a restart of it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from breakwater.certificates.following import followed
from breakwater.hardening.admission import is_meant
from breakwater.hardening.defaults import Missing, missing
from breakwater.hardening.judged import selecting
from breakwater.hardening.kind import MOST_SHOWN, HardeningPolicySpec, PodDefaults
from breakwater.kernel.condition import Condition, false, true, unknown
from breakwater.kernel.ownership import MARK, OWNED
from breakwater.kernel.reading import LABELS, Manifest, Present, Unknown
from breakwater.kernel.references import MUTATING_POLICY, NAMESPACE, Ref, Subject
from breakwater.kernel.restrain import effective_mode
from breakwater.kernel.settings import Mode
from breakwater.kernel.world import Index, World
from breakwater.workloads.asking import Asking, Template, under
from breakwater.workloads.consumers import WORKLOADS
from breakwater.workloads.marking import RESTARTS
from breakwater.workloads.permission import State
from breakwater.workloads.template import Fields, Path, read_placed, without
from breakwater.workloads.workload import KIND as WORKLOAD
from breakwater.workloads.workload import Standing, subject_of

BEARING: Final = ("bearing",)
"""The key of templates in which fields stand by our hand, wherever they are."""
_ALIKE = 8192


class PodTemplate(NamedTuple):
    """One workload's.

    Attributes:
        labels: those of its pods, sorted.
        shape: what it declares without us, as a pod, in JSON with sorted keys.
        placed: the fields that stand there by our hand.
    """

    labels: tuple[tuple[str, str], ...]
    shape: bytes
    placed: tuple[tuple[Path, Any], ...]


def _facts(manifest: Manifest) -> Mapping[Hashable, Any]:
    metadata, template = manifest["metadata"], manifest.get("template") or {}
    if "deletionTimestamp" in metadata:
        return {}
    placed = read_placed(template.get("placed") or ())
    bare = {"spec": without(template.get("declared") or {}, placed)}
    shape = orjson.dumps(bare, option=orjson.OPT_SORT_KEYS)
    labels = tuple(sorted((template.get("labels") or {}).items()))
    found = PodTemplate(labels, shape, tuple(sorted(placed.items())))
    return {metadata.get("namespace", ""): found} | ({BEARING: found} if placed else {})


TEMPLATES = Index("pod-templates", tuple(WORKLOADS.values()), _facts)
"""By namespace, and under BEARING."""


@lru_cache(maxsize=_ALIKE)
def fields_of(shape: bytes, defaults: PodDefaults) -> Fields:
    """What a template of this shape leaves open of the defaults."""
    pod = orjson.loads(shape)
    return {_path(pod, item): item.value for item in missing(pod, defaults)}


def _path(pod: Mapping[str, Any], item: Missing) -> Path:
    name, number, *rest = item.path
    if isinstance(number, int):
        return (str(name), str(pod["spec"][name][number]["name"]), *map(str, rest))
    return tuple(map(str, item.path))


def is_needed(subject: Subject, world: World) -> bool:
    """Whether templates have to bear what the API server does not set: before Kubernetes 1.36."""
    owned = world.indexed(OWNED, subject)
    if isinstance(owned, Present) and any(ref.resource is MUTATING_POLICY for ref, _ in owned.value):
        # It served them to us; an answer that denies that for a moment must not roll every workload.
        return False
    reading = world.metadata(Ref(MUTATING_POLICY, "", subject.name), MARK)
    return isinstance(reading, Unknown) and reading.reason == "NotServed"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A workload whose template, or whose pods, do not bear what they should yet.

    Attributes:
        ordered: the mark of a restart that somebody undid.
    """

    workload: Subject
    state: State
    message: str
    ordered: str = ""

    @property
    def named(self) -> str:
        """As Kind/name."""
        return self.workload.name.replace(":", "/")


@dataclass(frozen=True, slots=True)
class Said:
    """What a policy says to workloads.

    Attributes:
        mentions: by workload.
        meant: how many it means; None where their templates are not to bear anything.
        waiting: those that do not bear it yet.
        fault: why nobody can tell.
    """

    mentions: Mapping[Subject, Asking]
    meant: int | None = None
    waiting: tuple[Waiting, ...] = ()
    fault: str = ""


def kept(spec: HardeningPolicySpec | None, world: World, *, needed: bool) -> Said:
    """What stands is left; where the API server sets it itself, as far as it is what the policy still wants.

    Args:
        spec: what is declared; None where that cannot be read, and then whatever stands anywhere is left.
        world: as the policy sees it.
        needed: whether templates would have to bear it.
    """
    reading = world.indexed(TEMPLATES, BEARING)
    mentions: dict[Subject, Asking] = {}
    for ref, template in reading.value if isinstance(reading, Present) else ():
        if spec is not None and not _means(spec, ref.namespace, template, world):
            continue
        said = Template({}, keeps=True)
        if spec is not None and not needed and _is_enforced(spec, ref.namespace, world):
            wanted, placed = fields_of(template.shape, spec.pod_defaults), dict(template.placed)
            said = Template({path: value for path, value in wanted.items() if placed.get(path) == value})
        mentions[subject_of(ref.resource.kind, ref.namespace, ref.name)] = _asking(said, ref.namespace, world)
    return Said(mentions)


def _is_enforced(spec: HardeningPolicySpec, namespace: str, world: World) -> bool:
    return effective_mode(spec.mode, world, namespace) is Mode.ENFORCE and not spec.suspend


def _means(spec: HardeningPolicySpec, namespace: str, template: PodTemplate, world: World) -> bool:
    labels = world.get(Ref(NAMESPACE, "", namespace), LABELS)
    meant = isinstance(labels, Present) and is_meant(spec, namespace, labels.value, world.settings.namespace)
    return meant and selecting(spec)(template.labels)


def _asking(said: Template, namespace: str, world: World, ordered: str = "") -> Asking:
    schedule = followed(world, namespace, None, None)
    return Asking(secrets={}, restart=not said.keeps, server=False, ordered=ordered, template=said, **under(schedule))


@dataclass(frozen=True, slots=True)
class _Asker:
    """A policy whose defaults are to stand in templates."""

    spec: HardeningPolicySpec
    world: World
    remembered: Mapping[Subject, str]
    standings: Mapping[Subject, Standing]
    turns: Mapping[Subject, str]

    def ask(self, ref: Ref, template: PodTemplate, *, sets: bool) -> tuple[Asking | None, Waiting | None]:
        """What is said to one workload, and how it stands."""
        fields, placed = fields_of(template.shape, self.spec.pod_defaults), dict(template.placed)
        if not fields:
            return None, None
        subject = subject_of(ref.resource.kind, ref.namespace, ref.name)
        bears = fields.keys() <= placed.keys()
        if not sets:
            asking = _asking(Template({}, keeps=True), ref.namespace, self.world) if placed else None
            return asking, None if bears else Waiting(subject, State.WAITING, "nothing is set now")
        asking = _asking(Template(fields), ref.namespace, self.world, self.remembered.get(subject, ""))
        return asking, self._waiting(subject, bears=bears)

    def _waiting(self, subject: Subject, *, bears: bool) -> Waiting | None:
        standing = self.standings.get(subject)
        if standing is None:
            # Read on its own only until it has been planned: of all that follows the whole is told.
            self.world.derived(subject)
            return Waiting(subject, State.WAITING, self.turns.get(RESTARTS, "") or "it is being looked at")
        if standing.state is State.CURRENT:
            return None if bears else Waiting(subject, State.WAITING, "it is being looked at")
        why = self.turns.get(subject, "") if standing.state is State.DUE else ""
        message = f"{standing.message} ({why})" if why else standing.message
        return Waiting(subject, standing.state, message, standing.ordered if standing.state is State.ERASED else "")


def asked(spec: HardeningPolicySpec, status: Mapping[str, Any], world: World, *, free: bool) -> Said:
    """What is said to every workload that is meant, and how far they are.

    Args:
        spec: of the policy.
        status: as it stands, in which it remembers whose restart was undone.
        world: as the policy sees it.
        free: the policy itself is accepted.
    """
    namespaces = world.select(NAMESPACE, LABELS)
    if not isinstance(namespaces, Present):
        return Said({}, fault="the namespaces are not known yet")
    standings, turns = world.derived_of(WORKLOAD), world.derived(RESTARTS)
    asker = _Asker(
        spec,
        world,
        dict(_remembered(status)),
        standings.value if isinstance(standings, Present) else {},
        turns.value if isinstance(turns, Present) else {},
    )
    mentions: dict[Subject, Asking] = {}
    meant, waiting = 0, list[Waiting]()
    own, is_selected = world.settings.namespace, selecting(spec)
    for place, labels in namespaces.value:
        if not is_meant(spec, place.name, labels, own):
            continue
        reading = world.indexed(TEMPLATES, place.name)
        if not isinstance(reading, Present):
            return Said(mentions, fault=reading.message if isinstance(reading, Unknown) else "")
        sets = free and _is_enforced(spec, place.name, world)
        for ref, template in reading.value:
            if not is_selected(template.labels):
                continue
            meant += 1
            asking, waits = asker.ask(ref, template, sets=sets)
            if asking is not None:
                mentions[subject_of(ref.resource.kind, ref.namespace, ref.name)] = asking
            waiting += [waits] if waits else []
    return Said(mentions, meant, tuple(sorted(waiting, key=_urgency)))


_ORDER = (State.HALTED, State.FAILED, State.ERASED, State.WAITING, State.DUE, State.RESTARTING)


def _urgency(waiting: Waiting) -> tuple[int, Subject]:
    return _ORDER.index(waiting.state), waiting.workload


def _remembered(status: Mapping[str, Any]) -> Iterator[tuple[Subject, str]]:
    entries = status.get("waiting")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping) and entry.get("ordered"):
            kind, _, name = str(entry.get("workload")).partition("/")
            yield subject_of(kind, str(entry.get("namespace")), name), str(entry["ordered"])


_REASONS = {
    State.HALTED: "RestartHalted",
    State.FAILED: "RestartHalted",
    State.ERASED: "RestartErased",
    State.WAITING: "RestartWaiting",
    State.DUE: "RestartWaiting",
    State.RESTARTING: "Restarting",
}
_LEFT_OUT = "pods of their own and those of Jobs and CronJobs get none"


def enforced(way: Condition, said: Said) -> Condition:
    """Enforced where templates bear the defaults: what the API server does, and how far the templates are."""
    if said.fault:
        return way if not way.holds else unknown("Enforced", "NotKnown", f"pod templates cannot be told: {said.fault}")
    meant = said.meant or 0
    count = f"{meant - len(said.waiting)} of {meant} pod templates bear spec.podDefaults"
    if way.reason == "NotServed":
        return false("Enforced", way.reason, f"{count}, but violating pods are not refused: {way.message}")
    if not way.holds:
        return Condition("Enforced", way.status, way.reason, f"{way.message}; {count}")
    if said.waiting:
        first = said.waiting[0]
        where = f"{first.named} in {first.workload.namespace}: {first.message}"
        message = f"{count}, see status.waiting, first {where}; until then its pods may be refused. {way.message}"
        return false("Enforced", _REASONS[first.state], message)
    why = "where they belong before Kubernetes 1.36, whose API server sets them on pods itself"
    return true("Enforced", "TemplatesPatched", f"{count}, {why}; {_LEFT_OUT}. {way.message}")


def reported(said: Said) -> dict[str, Any]:
    """Their part of status; the list ends where it would grow too long."""
    if said.meant is None:
        return {}
    waiting = [_entry(item) for item in said.waiting[:MOST_SHOWN]]
    counts = {"meant": said.meant, "bearing": said.meant - len(said.waiting)}
    return {"templates": counts} | ({"waiting": waiting} if waiting else {})


def _entry(item: Waiting) -> dict[str, str]:
    entry = {"namespace": item.workload.namespace, "workload": item.named, "state": item.state.value}
    return entry | {"message": item.message} | ({"ordered": item.ordered} if item.ordered else {})
