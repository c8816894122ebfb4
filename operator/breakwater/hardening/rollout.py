"""The way of a pair into force: made, tried, bound, seen to be loaded; then what was in force before leaves.

A policy without binding does nothing, so there is no moment in which pods are held to neither the old nor the new pair:
the old one stays bound until the API server has taken up the new one, and while a trial fails. What a person deletes
comes back: where one of the two bindings stands the trial has been passed, and the other is made without a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from breakwater.hardening.admission import Pair, Phase
from breakwater.hardening.kind import HardeningPolicySpec, PodDefaults
from breakwater.hardening.trial import State, Verdict, judge, measure_of
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
    """

    condition: Condition
    actions: tuple[Action, ...] = ()
    measures: tuple[Measure, ...] = ()
    accepted: Condition | None = None
    bound: str = ""


@dataclass(frozen=True, slots=True)
class _Standing:
    """What of the wanted objects stands, and how."""

    missing: Manifests
    taken: str = ""
    unknown: Unknown | None = None
    altered: str = ""
    ours: Mapping[Ref, Ours] = field(default_factory=dict)


def rollout(subject: Subject, uid: str, spec: HardeningPolicySpec, pair: Pair, world: World) -> Rollout:
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
    measure = measure_of(pair, defaults, Phase.TRIAL)
    verdict = judge(world, measure, pair, defaults)
    return _tried(pair, made, stands, measure, verdict, in_force, world)


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


def taken_back(owned: tuple[tuple[Ref, Mark], ...], why: str, keep: frozenset[Ref] = frozenset()) -> tuple[Action, ...]:
    """Delete what is not kept: bindings first, for with its policy gone a binding would be an error."""
    leaving = [(ref, mark) for ref, mark in owned if ref not in keep and not mark.deleting]
    actions: list[Action] = []
    # What refuses before what sets: in between, pods must not be refused for what is not set any more.
    for resource in (VALIDATING_BINDING, MUTATING_BINDING, *POLICIES):
        after = tuple(action.id for action in actions if action.target.resource is not resource)
        actions += [_delete(ref, mark, why, after) for ref, mark in leaving if ref.resource is resource]
    return tuple(actions)


def _delete(ref: Ref, mark: Mark, why: str, after: tuple[str, ...] = ()) -> DeleteObject:
    # Not `takes_away`: nothing is lost that a plan could not make again.
    return DeleteObject(
        id=f"delete:{ref.resource.kind}/{ref.name}",
        target=ref,
        reason="Superseded",
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
    repairs = _applies({ref: item for ref, item in wanted.items() if ref in stands.missing}, "its pair is in force")
    if repairs:
        return Rollout(_pending(repairs, world), repairs, bound=pair.name)
    if any(ref in stands.ours for ref in (*made.trial, *made.loaded)):
        # It has just been bound.
        waits = _loading(pair, made, stands, world, defaults)
        if waits is not None:
            return waits
    leaving = taken_back(before, f"{pair.name} is in force", frozenset(wanted))
    if stands.altered:
        return Rollout(false("Enforced", "Altered", stands.altered), bound=pair.name)
    sets = "sets what is missing and " if pair.mutating is not None else ""
    message = f"{pair.name} is bound: the API server {sets}refuses what violates the profile"
    return Rollout(true("Enforced", "Bound", message), leaving, bound=pair.name)


def _loading(pair: Pair, made: Made, stands: _Standing, world: World, defaults: PodDefaults) -> Rollout | None:
    """What is still to be seen of the binding being in force; None when it was."""
    making = _applies(_missing(made.loaded, stands), "to see that what was bound before is in force")
    measure = measure_of(pair, defaults, Phase.LOADED)
    verdict = judge(world, measure, pair, defaults)
    if not making and verdict.state is State.PASSED:
        return None
    message = f"{pair.name} is bound, and the API server takes it up: {verdict.message}"
    return Rollout(unknown("Enforced", "Loading", message), making, () if making else (measure,), bound=pair.name)


def _tried(
    pair: Pair,
    made: Made,
    stands: _Standing,
    measure: Measure,
    verdict: Verdict,
    in_force: str,
    world: World,
) -> Rollout:
    making = _applies(_missing(made.policies, stands), "to be tried before it is bound")
    making += _applies(_missing(made.trial, stands), "its trial", tuple(action.id for action in making))
    if making:
        return Rollout(_pending(making, world, in_force), making, bound=in_force)
    if verdict.state is State.PASSED:
        binding: tuple[Action, ...] = ()
        for ref, manifest in made.final.items():
            binding += _applies({ref: manifest}, "its trial is passed", tuple(action.id for action in binding))
        return Rollout(_pending(binding, world, in_force), binding, (measure,), bound=in_force)
    build = false if verdict.state is State.FAILED else unknown
    message = f"{pair.name}: {verdict.message}{_meanwhile(in_force)}"
    if verdict.state is State.FAILED:
        message += "; this is a fault of Breakwater or of the API server's version: report it, with this message"
    return Rollout(build("Enforced", _REASONS[verdict.state], message), (), (measure,), bound=in_force)


def _meanwhile(in_force: str) -> str:
    return f"; {in_force} stays bound" if in_force else "; nothing is bound"


def _missing(wanted: Manifests, stands: _Standing) -> Manifests:
    return {ref: item for ref, item in wanted.items() if ref in stands.missing}


def _pending(actions: tuple[Action, ...], world: World, in_force: str = "") -> Condition:
    failed = next((failure for action in actions if (failure := world.failure(action.id))), None)
    if failed is not None:
        return false("Enforced", failed.reason, failed.message)
    return false("Enforced", actions[0].reason, f"{actions[0].target}: {actions[0].message}{_meanwhile(in_force)}")


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
    altered = ""
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
            altered = f"{ref}: somebody added to one of its {', '.join(_SHARED)}; delete it, and it is made anew"
    return _Standing(missing, altered=altered, ours=ours)


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
