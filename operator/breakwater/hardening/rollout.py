"""The way of a pair into force: made, tried, bound, seen to be loaded; then what was in force before leaves.

A policy without binding does nothing, so there is no moment in which pods are held to neither the old nor the new pair:
the old one stays bound until the API server has taken up the new one, and while a trial fails. What a person deletes or
changes comes back: where one of the two bindings stands the trial has been passed, and the other is made without a new
one. Whether the API server has taken it up is seen anew, for the trial's bindings stand until that was seen: they are
the sign, in the cluster itself, of a pair that is under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from breakwater.hardening.admission import Pair, Phase
from breakwater.hardening.kind import HardeningPolicySpec, PodDefaults
from breakwater.hardening.trial import State, Verdict, judge, measure_of
from breakwater.hardening.typecheck import checked_types
from breakwater.kernel.apply import differs
from breakwater.kernel.condition import Condition, false, true, unknown
from breakwater.kernel.measurement import Measure
from breakwater.kernel.ownership import MANAGED_BY, MANAGER, OWNED, SUBJECT, Free, Mark, Ours, Taken, claim
from breakwater.kernel.plan import Action, ApplyObject, DeleteObject
from breakwater.kernel.reading import Present, Unknown
from breakwater.kernel.references import (
    GROUP,
    HARDENING_POLICY,
    MUTATING_BINDING,
    MUTATING_POLICY,
    VALIDATING_BINDING,
    VALIDATING_POLICY,
    VERSION,
    Ref,
    Subject,
)
from breakwater.kernel.world import World

POLICIES = (MUTATING_POLICY, VALIDATING_POLICY)
BINDINGS = (MUTATING_BINDING, VALIDATING_BINDING)
_REASONS = {State.WAITING: "Trying", State.HINDERED: "TrialHindered", State.FAILED: "TrialFailed"}

Manifests = Mapping[Ref, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Rollout:
    """Where a pair stands on its way.

    Attributes:
        condition: Enforced.
        actions: the next steps.
        measures: the trial, while it goes on.
        accepted: why the cluster refuses the policy; None when it does not.
        bound: name of the pair in force, this one or an earlier one; empty when there is none.
        due: plan again then.
    """

    condition: Condition
    actions: tuple[Action, ...] = ()
    measures: tuple[Measure, ...] = ()
    accepted: Condition | None = None
    bound: str = ""
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Standing:
    """What of the wanted objects stands, and how.

    Attributes:
        missing: what is not there, or not as it should be.
        taken: who else has one of the names.
        unknown: why nobody can tell.
        altered: to which others added what an apply of ours leaves there.
        ours: those that stand.
    """

    missing: Manifests
    taken: str = ""
    unknown: Unknown | None = None
    altered: tuple[Ref, ...] = ()
    ours: Mapping[Ref, Ours] = field(default_factory=dict)

    def versions(self, wanted: Manifests) -> str:
        """Names exactly these objects as they stand."""
        marks = (self.ours[ref].mark.version for ref in wanted if ref in self.ours)
        return " ".join(f"{version.uid}/{version.resource_version}" for version in marks)


def rollout(subject: Subject, uid: str, spec: HardeningPolicySpec, pair: Pair, world: World, now: datetime) -> Rollout:
    """The next steps of a pair."""
    owned = world.indexed(OWNED, subject)
    before = owned.value if isinstance(owned, Present) else ()
    made = manifests(subject, uid, pair)
    in_force = bound_name(before)
    stands = _standing(subject, {**made.policies, **made.final, **made.trial, **made.loaded}, world)
    if stands.taken:
        fault = false("Accepted", "NameTaken", stands.taken)
        return Rollout(false("Enforced", fault.reason, fault.message), accepted=fault, bound=in_force)
    if stands.unknown:
        return Rollout(_untold(stands.unknown), bound=in_force)
    # What nobody sets on the samples they declare themselves.
    defaults = spec.pod_defaults if pair.mutating is not None else PodDefaults()
    if any(ref in stands.ours for ref in made.final):
        return _bound(pair, made, stands, before, world, defaults)
    return _tried(pair, made, stands, in_force, world, defaults, now)


def _untold(why: Unknown) -> Condition:
    """Admission policies that cannot be read, or are not there at all: those that refuse, before Kubernetes 1.30."""
    if why.reason != "NotServed":
        return unknown("Enforced", why.reason, why.message)
    remedy = "upgrade: Kubernetes 1.30 serves the policies that refuse pods, 1.36 those that set what is missing"
    return false("Enforced", why.reason, f"{why.message}; {remedy}")


def bound_name(owned: tuple[tuple[Ref, Mark], ...]) -> str:
    """The name under which a pair is in force, as its bindings have it; the validating one counts where they differ."""
    endings = tuple(f"-{phase.value}" for phase in Phase)
    names = {ref.resource: ref.name for ref, _ in owned if ref.resource in BINDINGS and not ref.name.endswith(endings)}
    return names.get(VALIDATING_BINDING) or names.get(MUTATING_BINDING) or ""


def taken_back(
    owned: tuple[tuple[Ref, Mark], ...], reason: str, why: str, keep: frozenset[Ref] = frozenset()
) -> tuple[Action, ...]:
    """Delete what is not kept: bindings first, for with its policy gone a binding would be an error."""
    leaving = [(ref, mark) for ref, mark in owned if ref not in keep and not mark.deleting]
    actions: list[Action] = []
    # What refuses before what sets: in between, pods must not be refused for what is not set any more.
    for resource in (VALIDATING_BINDING, MUTATING_BINDING, *POLICIES):
        after = tuple(action.id for action in actions if action.target.resource is not resource)
        actions += [_delete(ref, mark, reason, why, after) for ref, mark in leaving if ref.resource is resource]
    return tuple(actions)


def _delete(ref: Ref, mark: Mark, reason: str, why: str, after: tuple[str, ...] = ()) -> DeleteObject:
    # Not `takes_away`: nothing is lost that a plan could not make again.
    return DeleteObject(
        id=f"delete:{ref.resource.kind}/{ref.name}",
        target=ref,
        reason=reason,
        message=why,
        replaces=mark.version,
        after=after,
    )


def _bound(
    pair: Pair,
    made: Made,
    stands: _Standing,
    before: tuple[tuple[Ref, Mark], ...],
    world: World,
    defaults: PodDefaults,
) -> Rollout:
    wanted = {**made.policies, **made.final}
    repairs = _missing(wanted, stands)
    if repairs:
        return _put_right(pair, made, stands, repairs, before, world)
    if fault := _altered(stands, wanted):
        return Rollout(fault, bound=pair.name)
    if any(ref in stands.ours for ref in (*made.trial, *made.loaded)):
        # It has just been bound, or put right.
        waits = _loading(pair, made, stands, world, defaults)
        if waits is not None:
            return waits
    leaving = taken_back(before, "Superseded", f"{pair.name} is in force", frozenset(wanted))
    sets = "sets what is missing and " if pair.mutating is not None else ""
    message = f"{pair.name} is bound: the API server {sets}refuses what violates the profile"
    return Rollout(true("Enforced", "Bound", message), leaving, bound=pair.name)


def _put_right(
    pair: Pair,
    made: Made,
    stands: _Standing,
    repairs: Manifests,
    before: tuple[tuple[Ref, Mark], ...],
    world: World,
) -> Rollout:
    """What is missing or changed is written, and has to be seen loaded like what is bound for the first time."""
    why = f"it was missing or changed, and pods are held to the rest of {pair.name} only"
    repairing = _applies(repairs, why)
    condition, actions = _pending(repairing, world), repairing
    if not all(_stood(ref, manifest, stands) for ref, manifest in repairs.items()):
        # The sign comes first, so that a crash in between does not lose it; bindings that were seen loaded before the
        # repair prove nothing of it, and are made anew after it.
        why = f"{pair.name} is put right, and has to be seen loaded"
        stale = tuple(
            _delete(ref, stands.ours[ref].mark, "Superseded", why) for ref in made.loaded if ref in stands.ours
        )
        actions = (*_applies(_missing(made.trial, stands), why), *stale, *repairing)
    return Rollout(condition, actions, bound=bound_name(before))


def _stood(ref: Ref, manifest: Mapping[str, Any], stands: _Standing) -> bool:
    """Whether only the marks of an object are missing, and the API server has had its content all the while."""
    held = stands.ours.get(ref)
    return held is not None and not held.mark.restored and _spec(held.entry.manifest) == manifest["spec"]


def _altered(stands: _Standing, wanted: Manifests) -> Condition | None:
    ref = next((ref for ref in stands.altered if ref in wanted), None)
    if ref is None:
        return None
    added = f"{ref}: somebody added to one of its {', '.join(_SHARED)}"
    return false("Enforced", "Altered", f"{added}; delete it, and it is made anew")


def _loading(pair: Pair, made: Made, stands: _Standing, world: World, defaults: PodDefaults) -> Rollout | None:
    """What is still to be seen of the binding being in force; None when it was."""
    making = _applies(_missing(made.loaded, stands), "to see that what was bound before is in force")
    measure = measure_of(pair, defaults, Phase.LOADED, stands.versions({**made.policies, **made.final, **made.loaded}))
    verdict = judge(world, measure, pair, defaults)
    if not making and verdict.state is State.PASSED:
        return None
    message = f"{pair.name} is bound, and the API server takes it up: {verdict.message}"
    return Rollout(unknown("Enforced", "Loading", message), making, () if making else (measure,), bound=pair.name)


def _tried(
    pair: Pair,
    made: Made,
    stands: _Standing,
    in_force: str,
    world: World,
    defaults: PodDefaults,
    now: datetime,
) -> Rollout:
    making = _applies(_missing(made.policies, stands), "to be tried before it is bound")
    making += _applies(_missing(made.trial, stands), "its trial", tuple(action.id for action in making))
    if making:
        return Rollout(_pending(making, world, _meanwhile(in_force)), making, bound=in_force)
    if fault := _altered(stands, {**made.policies, **made.trial}):
        return Rollout(replace(fault, message=fault.message + _meanwhile(in_force)), bound=in_force)
    measure = measure_of(pair, defaults, Phase.TRIAL, stands.versions({**made.policies, **made.trial}))
    types = checked_types(stands.ours[made.validating].entry.manifest, now)
    verdict = judge(world, measure, pair, defaults, types)
    if verdict.state is State.PASSED:
        binding: tuple[Action, ...] = ()
        for ref, manifest in made.final.items():
            binding += _applies({ref: manifest}, "its trial is passed", tuple(action.id for action in binding))
        return Rollout(_pending(binding, world, _meanwhile(in_force)), binding, (measure,), bound=in_force)
    return Rollout(_unbound(pair, verdict, in_force), (), (measure,), bound=in_force, due=types.due)


def _unbound(pair: Pair, verdict: Verdict, in_force: str) -> Condition:
    message = f"{pair.name}: {verdict.message}{_meanwhile(in_force)}"
    if verdict.state is not State.FAILED:
        return unknown("Enforced", _REASONS[verdict.state], message)
    whose = "this is a fault of Breakwater or of the API server's version: report it, with this message"
    return false("Enforced", _REASONS[verdict.state], f"{message}; {whose}")


def _meanwhile(in_force: str) -> str:
    return f"; {in_force} stays bound" if in_force else "; nothing is bound"


def _missing(wanted: Manifests, stands: _Standing) -> Manifests:
    return {ref: item for ref, item in wanted.items() if ref in stands.missing}


def _pending(actions: tuple[Action, ...], world: World, meanwhile: str = "") -> Condition:
    failed = next((failure for action in actions if (failure := world.failure(action.id))), None)
    if failed is not None:
        return false("Enforced", failed.reason, failed.message)
    return false("Enforced", actions[0].reason, f"{actions[0].target}: {actions[0].message}{meanwhile}")


def _applies(manifests: Manifests, why: str, after: tuple[str, ...] = ()) -> tuple[Action, ...]:
    return tuple(
        ApplyObject(
            id=f"apply:{ref.resource.kind}/{ref.name}",
            target=ref,
            reason="PolicyMissing" if ref.resource in POLICIES else "BindingMissing",
            message=why,
            manifest=manifest,
            after=after,
            notable=ref.resource in BINDINGS,
        )
        for ref, manifest in manifests.items()
    )


def _standing(subject: Subject, wanted: Manifests, world: World) -> _Standing:
    missing: dict[Ref, dict[str, Any]] = {}
    ours: dict[Ref, Ours] = {}
    altered: list[Ref] = []
    for ref, manifest in wanted.items():
        held = claim(world, ref, subject)
        if isinstance(held, Taken):
            return _Standing({}, taken=f"{ref}: {held.by} stands under this name; rename or delete it")
        if isinstance(held, Ours):
            ours[ref] = held
        elif not isinstance(held, Free):
            return _Standing({}, unknown=held)
        if not isinstance(held, Ours) or held.mark.restored or _is_changed(manifest, held.entry.manifest):
            missing[ref] = manifest
        elif _spec(held.entry.manifest) != manifest["spec"]:
            altered.append(ref)
    return _Standing(missing, altered=tuple(altered), ours=ours)


_SHARED = ("matchConditions", "variables", "validationActions")
"""Lists to which others can add items of their own, which an apply of ours leaves there."""


def _is_changed(manifest: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether an apply would mend something. All but the shared lists is ours as a whole, and nobody's addition."""
    standing, wanted = _spec(live), dict(manifest["spec"])
    for name in _SHARED:
        items = standing.get(name) or []
        if all(item in items for item in wanted.get(name, ())):
            wanted |= {name: items} if items else {}
    return standing != wanted or differs({**manifest, "spec": wanted}, live)


def _spec(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    return manifest.get("spec") or {}


@dataclass(frozen=True, slots=True)
class Made:
    """The manifests of a pair; what mutates stands before what validates.

    Attributes:
        policies: the pair itself.
        trial, loaded: bindings for samples, by phase.
        final: bindings that put it in force.
    """

    policies: Manifests
    trial: Manifests
    loaded: Manifests
    final: Manifests

    @property
    def validating(self) -> Ref:
        """The policy that refuses; there always is one."""
        return next(ref for ref in self.policies if ref.resource is VALIDATING_POLICY)


def manifests(subject: Subject, uid: str, pair: Pair) -> Made:
    """Everything that is made of a pair, in the course of its way."""
    policies: dict[Ref, dict[str, Any]] = {}
    bindings: dict[Phase | None, dict[Ref, dict[str, Any]]] = {None: {}, Phase.TRIAL: {}, Phase.LOADED: {}}
    for policy, binding, spec in (
        (MUTATING_POLICY, MUTATING_BINDING, pair.mutating),
        (VALIDATING_POLICY, VALIDATING_BINDING, pair.validating),
    ):
        if spec is None:
            continue
        policies |= _object(subject, uid, Ref(policy, "", pair.name), spec)
        for phase, found in bindings.items():
            name = pair.trial_name(phase) if phase else pair.name
            scope = pair.trial_scope(phase) if phase else pair.scope
            action = {"validationActions": ["Warn" if phase else "Deny"]} if binding is VALIDATING_BINDING else {}
            bound = {"policyName": pair.name, "matchResources": scope} | action
            found.update(_object(subject, uid, Ref(binding, "", name), bound))
    return Made(policies, bindings[Phase.TRIAL], bindings[Phase.LOADED], bindings[None])


def _object(subject: Subject, uid: str, ref: Ref, spec: Mapping[str, Any]) -> Manifests:
    owner = {"apiVersion": f"{GROUP}/{VERSION}", "kind": HARDENING_POLICY.kind, "name": subject.name, "uid": uid}
    metadata = {
        "name": ref.name,
        "labels": {MANAGED_BY: MANAGER},
        "annotations": {SUBJECT: str(subject)},
        "ownerReferences": [owner],
    }
    resource = ref.resource
    manifest = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": dict(spec)}
    return {ref: manifest}
