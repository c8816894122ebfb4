"""The plan of a HardeningPolicy: how its pods stand, and the way of its admission policies into force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from breakwater.hardening.admission import Pair, build
from breakwater.hardening.judged import Findings, findings
from breakwater.hardening.kind import HardeningPolicySpec, Profile
from breakwater.hardening.rollout import Rollout, rollout, taken_back
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
        way = rollout(subject, declared.uid, spec, pair, world, now)
        said = _said(declared, spec, way, world, needed=needed)
        if said.meant is not None or said.fault:
            way = replace(way, condition=enforced(way.condition, said))
        held = _held_back(spec, way, world)
        ready = _ready(spec, way, held)
        if held is not None:
            # What would be done is planned all the same, and kept back where all that may not be written is.
            way = replace(way, measures=(), due=None, condition=held)
        status = _status(declared, way, ready, found, spec.profile, now) | reported(said)
        return Plan(
            actions=way.actions,
            status=status,
            due=way.due,
            measures=way.measures,
            mentions=said.mentions,
            mode=spec.mode,
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
    why = f"{subject} is gone, and so is the definition of its kind"
    return Plan(actions=taken_back(owned.value, "DeclarationGone", why))


def _wording(version: str) -> str:
    """Whose wording counts, where that is not what was written."""
    known = str(parse_version(version))
    if version in (known, "latest"):
        return ""
    return f"spec.profile.version: {version} is newer than this operator knows; {known} counts"


def _is_done(way: Rollout) -> bool:
    """Whether the pair is in force and nothing is left to write."""
    return way.condition.holds and not way.actions


def _held_back(spec: HardeningPolicySpec, way: Rollout, world: World) -> Condition | None:
    """Enforced while nothing is written; None when writing goes on.

    Observe vouches for nothing, not even for a pair that stands as declared: what a person does to it stays so.
    """
    if spec.suspend:
        if _is_done(way):
            return None
        return false("Enforced", "Suspended", f"spec.suspend is true, {_standing(way)}; set it to false to go on")
    if effective_mode(spec.mode, world, "") is not Mode.OBSERVE:
        return None
    lifted = "; to lift that delete the policy" if way.bound else ""
    if spec.mode is not Mode.OBSERVE:
        why = "the operator was started with mode Observe, so nothing is written"
        return false("Enforced", "Observed", f"{why}: {_standing(way)}; start it with Enforce to go on{lifted}")
    if not way.bound:
        return false("Enforced", "Observed", f"{_OBSERVING}; set it to Enforce to have that done")
    lifted += ", or narrow spec.namespaceSelector and set spec.mode to Enforce"
    return false("Enforced", "Observed", f"spec.mode is Observe, so nothing is written: {_standing(way)}{lifted}")


def _standing(way: Rollout) -> str:
    return f"{way.bound} stays bound in the wording it had" if way.bound else "nothing is bound"


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


def _ready(spec: HardeningPolicySpec, way: Rollout, held: Condition | None) -> Condition:
    """Observing is all that Observe asks for; who waits for this condition must not wait for ever."""
    stands = way.condition if held is None or _is_done(way) else held
    if held is not None and spec.mode is Mode.OBSERVE and not spec.suspend:
        stands = true("Ready", "Observing", held.message)
    if way.accepted is not None:
        stands = way.accepted
    return Condition("Ready", stands.status, stands.reason, stands.message)


def _refuse(declared: Declared[HardeningPolicySpec], world: World, now: datetime) -> Plan:
    refused = false("Accepted", "InvalidSpec", declared.fault)
    conditions = [refused, false("Ready", refused.reason, refused.message)]
    return Plan(status=_written(declared, conditions, now), mentions=kept(None, world, needed=True).mentions)


def _status(
    declared: Declared[HardeningPolicySpec],
    way: Rollout,
    ready: Condition,
    found: Findings | None,
    profile: Profile,
    now: datetime,
) -> dict[str, Any]:
    accepted = way.accepted or true("Accepted", "Accepted", _wording(profile.version))
    conditions = [accepted, ready, way.condition, _conforming(found)]
    status = _written(declared, conditions, now)
    status |= {"bound": way.bound} if way.bound else {}
    return status | (found.status if found else {})


def _written(declared: Declared[HardeningPolicySpec], conditions: list[Condition], now: datetime) -> dict[str, Any]:
    return {
        "observedGeneration": declared.generation,
        "conditions": written(conditions, declared.status.get("conditions"), declared.generation, now),
    }
