"""How the pods of a policy stand: counted by verdict, listed by workload, judged once for all that are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from breakwater.hardening.admission import enforced_checks, is_meant
from breakwater.hardening.defaults import changes, is_undecided
from breakwater.hardening.facts import PODS
from breakwater.hardening.kind import MOST_FIELDS, MOST_SHOWN, HardeningPolicySpec, PodDefaults
from breakwater.hardening.standards import Level
from breakwater.kernel.reading import LABELS, Present
from breakwater.kernel.references import NAMESPACE
from breakwater.kernel.world import World

UNDECIDED = (
    "runAsUser is declared neither by the pod nor by spec.podDefaults, so only its image tells whether it runs as "
    "root; declare runAsUser of 1 or higher in either"
)
_ALIKE = 8192


class Judgement(NamedTuple):
    """What is to be said of one shape of pods under one policy."""

    violations: tuple[tuple[str, tuple[str, ...]], ...]
    changes: tuple[str, ...]
    undecided: bool

    @property
    def is_unknown(self) -> bool:
        """Whether all that stands against it is what only its image tells."""
        return self.undecided and all(check == "runAsNonRoot" for check, _ in self.violations)


@lru_cache(maxsize=_ALIKE)
def _judgement(shape: bytes, level: Level, version: str, defaults: PodDefaults) -> Judgement:
    pod = orjson.loads(shape)
    found = ((check.id, check.violations(pod)) for check in enforced_checks(level, version, defaults))
    violations = tuple((id_, fields) for id_, fields in found if fields)
    return Judgement(violations, changes(pod, defaults), is_undecided(pod, defaults))


class Alike(NamedTuple):
    """Pods of one workload that declare the same."""

    namespace: str
    workload: str
    shape: bytes


@dataclass(frozen=True, slots=True)
class Findings:
    """All of it, in the order of namespaces and workloads.

    Attributes:
        pods: how many, by verdict.
        violations, unknown, changes: as status lists them, all of them.
    """

    pods: Mapping[str, int]
    violations: tuple[dict[str, Any], ...]
    unknown: tuple[dict[str, Any], ...]
    changes: tuple[dict[str, Any], ...]

    @property
    def status(self) -> dict[str, Any]:
        """Their part of status; lists end where they would grow too long."""
        lists = {"violations": self.violations, "unknown": self.unknown, "changes": self.changes}
        return {"pods": dict(self.pods)} | {name: list(items[:MOST_SHOWN]) for name, items in lists.items() if items}


def findings(spec: HardeningPolicySpec, world: World) -> Findings | None:
    """Judge the pods that are meant; None while they are not known."""
    counted = _counted(spec, world)
    if counted is None:
        return None
    pods = Counter[str](judged=0, conforming=0, violating=0, unknown=0)
    listed: dict[str, list[dict[str, Any]]] = {"violations": [], "unknown": [], "changes": []}
    for alike, count in sorted(counted.items()):
        judgement = _judgement(alike.shape, spec.profile.level, spec.profile.version, spec.pod_defaults)
        verdict = "unknown" if judgement.is_unknown else "violating" if judgement.violations else "conforming"
        pods["judged"] += count
        pods[verdict] += count
        place = {"namespace": alike.namespace, "workload": alike.workload, "pods": count}
        if judgement.is_unknown:
            listed["unknown"].append(place | {"reason": UNDECIDED})
        else:
            listed["violations"] += [
                place | {"check": check, "fields": list(fields[:MOST_FIELDS])} for check, fields in judgement.violations
            ]
        if judgement.changes:
            listed["changes"].append(place | {"fields": list(judgement.changes[:MOST_FIELDS])})
    return Findings(pods, *(tuple(items) for items in listed.values()))


def _counted(spec: HardeningPolicySpec, world: World) -> Counter[Alike] | None:
    namespaces = world.select(NAMESPACE, LABELS)
    if not isinstance(namespaces, Present):
        return None
    own, counted = world.settings.namespace, Counter[Alike]()
    is_selected = selecting(spec)
    for ref, labels in namespaces.value:
        if not is_meant(spec, ref.name, labels, own):
            continue
        reading = world.indexed(PODS, ref.name)
        if not isinstance(reading, Present):
            return None
        counted.update(
            Alike(ref.name, facts.workload, facts.shape) for _, facts in reading.value if is_selected(facts.labels)
        )
    return counted


def selecting(spec: HardeningPolicySpec) -> Callable[[Iterable[tuple[str, str]]], bool]:
    """Whether pods with these labels are meant."""
    selector = spec.object_selector
    return (lambda labels: selector.matches(dict(labels))) if selector is not None else (lambda _: True)
