"""The plan of a HardeningPolicy: how its pods stand, and the way of its admission policies into force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from breakwater.hardening.admission import Pair, build
from breakwater.hardening.judged import Findings, findings
from breakwater.hardening.kind import HardeningPolicySpec, Profile
from breakwater.hardening.rollout import Rollout, bound_name, rollout, taken_back
from breakwater.hardening.standards import parse_version
from breakwater.hardening.templates import Said, asked, enforced, is_needed, kept, reported
from breakwater.kernel.condition import Condition, false, true, unknown, written
from breakwater.kernel.declaration import Declared, declared_by, farewell
from breakwater.kernel.ownership import OWNED
from breakwater.kernel.plan import Plan
from breakwater.kernel.pruning import DEFINITION
from breakwater.kernel.reading import Absent, Present, Unknown
from breakwater.kernel.references import HARDENING_POLICY, Ref, Subject, definition_of
from breakwater.kernel.restrain import effective_mode
from breakwater.kernel.settings import Mode
from breakwater.kernel.world import World

_OBSERVING = "spec.mode is Observe: pods are judged, nothing is set or refused"
DECLARED = declared_by(HardeningPolicySpec)
Builder = Callable[[str, str, HardeningPolicySpec, str, bool], Pair]


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans policies with the pairs that `build` makes of them."""

    build: Builder

    def plan(self, subject: Subject, world: World, now: datetime) -> Plan:
        """Judge, try, bind; status says how the pods stand and what is in force."""
        declaration = Ref(HARDENING_POLICY, "", subject.name)
        declared = world.get(declaration, DECLARED)
        if isinstance(declared, Unknown):
            return _without_kind(subject, world)
        if isinstance(declared, Absent):
            return farewell(subject, declaration, world)
        if declared.value.deleting:
            # Its objects go with it, by their owner references.
            return Plan()
        if declared.value.spec is None:
            return _refuse(declared.value, world, now)
        return self._plan(subject, declared.value, declared.value.spec, world, now)

    def _plan(
        self,
        subject: Subject,
        declared: Declared[HardeningPolicySpec],
        spec: HardeningPolicySpec,
        world: World,
        now: datetime,
    ) -> Plan:
        found, needed = findings(spec, world), is_needed(subject, world)
        pair = self.build(subject.name, declared.uid, spec, world.settings.namespace, not needed)
        way = rollout(subject, declared.uid, spec, pair, world)
        said = _said(declared, spec, way, world, needed=needed)
        if said.meant is not None or said.fault:
            way = replace(way, condition=enforced(way.condition, said))
        mode = spec.mode
        if mode is Mode.OBSERVE:
            way, mode = _observed(subject, way, world)
        elif effective_mode(mode, world, "") is Mode.OBSERVE:
            way = replace(way, measures=(), condition=_left_alone(way))
        if spec.suspend:
            way = replace(way, measures=(), condition=_suspended(way))
        status = _status(declared, way, found, spec.profile, mode, now) | reported(said)
        return Plan(
            actions=way.actions,
            status=status,
            measures=way.measures,
            mentions=said.mentions,
            mode=mode,
            suspended=spec.suspend,
        )


plan = Planner(build).plan


def _said(
    declared: Declared[HardeningPolicySpec], spec: HardeningPolicySpec, way: Rollout, world: World, *, needed: bool
) -> Said:
    if not needed or spec.mode is Mode.OBSERVE or spec.pod_defaults.is_empty:
        return kept(spec, world, needed=needed)
    return asked(spec, declared.status, world, free=way.accepted is None)


def _without_kind(subject: Subject, world: World) -> Plan:
    """With its definition gone too the policy is gone for good, and the garbage collector cannot look for it any more.

    Nothing but the policies' own content is lost, so this needs no person's word, unlike the end of keys.
    """
    definition = world.metadata(definition_of(HARDENING_POLICY), DEFINITION)
    owned = world.indexed(OWNED, subject)
    if not isinstance(definition, Absent) or not isinstance(owned, Present):
        return Plan()
    return Plan(actions=taken_back(owned.value, f"{subject} is gone, and so is the definition of its kind"))


def _observed(subject: Subject, way: Rollout, world: World) -> tuple[Rollout, Mode]:
    """A policy that says Observe refuses no pod: what was in force is taken back."""
    owned = world.indexed(OWNED, subject)
    held = owned.value if isinstance(owned, Present) else ()
    if not held:
        condition = false("Enforced", "Observed", f"{_OBSERVING}; set it to Enforce to have that done")
        # What Enforce would make is planned, and kept back where all that may not be written is.
        return replace(way, measures=(), condition=condition), Mode.OBSERVE
    back = taken_back(held, "mode is Observe: nothing of this policy is in force")
    condition = false("Enforced", "Observed", f"{_OBSERVING}; {bound_name(held) or 'its trial'} is taken back")
    return Rollout(condition, back, (), way.accepted, bound_name(held)), Mode.ENFORCE


def _wording(version: str) -> str:
    """Whose wording counts, where that is not what was written."""
    known = str(parse_version(version))
    if version in (known, "latest"):
        return ""
    return f"spec.profile.version: {version} is newer than this operator knows; {known} counts"


def _left_alone(way: Rollout) -> Condition:
    """Under the operator's own Observe nothing is written, and so nothing is taken back either."""
    if way.condition.holds and not way.actions:
        return way.condition
    standing = f"{way.bound} stays bound" if way.bound else "nothing is bound"
    message = f"the operator was started with mode Observe, {standing}; start it with Enforce to have this done"
    return false("Enforced", "Observed", message)


def _suspended(way: Rollout) -> Condition:
    if way.condition.holds and not way.actions:
        return way.condition
    standing = f"{way.bound} stays bound" if way.bound else "nothing is bound"
    return false("Enforced", "Suspended", f"spec.suspend is true, {standing}; set it to false to go on")


def _conforming(found: Findings | None) -> Condition:
    if found is None:
        return unknown("Conforming", "NotKnown", "the pods are not known yet")
    if found.pods["violating"]:
        first = found.violations[0]
        named = f"{first['workload']} in {first['namespace']}: {', '.join(first['fields'])} ({first['check']})"
        message = f"{found.pods['violating']} of {found.pods['judged']} pods violate spec.profile, first {named}"
        return false("Conforming", "Violations", f"{message}; mend their templates, see status.violations")
    if found.pods["unknown"]:
        message = f"of {found.pods['unknown']} pods nobody can tell: {found.unknown[0]['reason']}; see status.unknown"
        return unknown("Conforming", "ImageDecides", message)
    return true("Conforming", "Conforming", f"all {found.pods['judged']} pods meet spec.profile")


def _ready(way: Rollout, mode: Mode) -> Condition:
    """Observing is all that Observe asks for; who waits for this condition must not wait for ever."""
    if way.condition.reason == "Observed" and mode is Mode.OBSERVE:
        return true("Ready", "Observing", way.condition.message)
    return Condition("Ready", way.condition.status, way.condition.reason, way.condition.message)


def _refuse(declared: Declared[HardeningPolicySpec], world: World, now: datetime) -> Plan:
    refused = false("Accepted", "InvalidSpec", declared.fault)
    conditions = [refused, false("Ready", refused.reason, refused.message)]
    return Plan(status=_written(declared, conditions, now), mentions=kept(None, world, needed=True).mentions)


def _status(
    declared: Declared[HardeningPolicySpec],
    way: Rollout,
    found: Findings | None,
    profile: Profile,
    mode: Mode,
    now: datetime,
) -> dict[str, Any]:
    accepted = way.accepted or true("Accepted", "Accepted", _wording(profile.version))
    conforming = _conforming(found)
    conditions = [accepted, _ready(way, mode), way.condition, conforming]
    status = _written(declared, conditions, now)
    status |= {"bound": way.bound} if way.bound else {}
    return status | (found.status if found else {})


def _written(declared: Declared[HardeningPolicySpec], conditions: list[Condition], now: datetime) -> dict[str, Any]:
    return {
        "observedGeneration": declared.generation,
        "conditions": written(conditions, declared.status.get("conditions"), declared.generation, now),
    }
