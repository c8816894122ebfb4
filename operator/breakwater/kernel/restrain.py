"""The one place where a wanted action is kept back: observe mode, suspension, missing knowledge, mass deletion."""

from __future__ import annotations

from dataclasses import dataclass, replace

from breakwater.kernel.condition import Condition, false
from breakwater.kernel.plan import Action, Gone, Plan, Withheld
from breakwater.kernel.pruning import Permit
from breakwater.kernel.reading import Absent, Manifest, Present, Projection, Reading, project
from breakwater.kernel.references import GROUP, NAMESPACE, Ref, Subject
from breakwater.kernel.settings import Mode
from breakwater.kernel.world import Source, World

MODE_LABEL = f"{GROUP}/mode"
SETTLED = ("settled",)
"""The fact that every subject was planned once since this process leads."""
_NOT_SETTLED = ("NotSettled", "not every subject has been planned yet")


@dataclass(frozen=True, slots=True)
class NamespaceState:
    """What of a namespace decides on writes into it."""

    terminating: bool
    observe: bool


def _namespace_state(manifest: Manifest) -> NamespaceState:
    metadata = manifest["metadata"]
    label = (metadata.get("labels") or {}).get(MODE_LABEL, "")
    return NamespaceState("deletionTimestamp" in metadata, label.lower() == Mode.OBSERVE.value.lower())


NAMESPACE_STATE: Projection[NamespaceState] = Projection("namespace-state", _namespace_state)


def restrain(plan: Plan, world: World, subject: Subject) -> Plan:
    """The plan without what may not be done now; what was kept back stays visible in `withheld`."""
    if not plan.actions:
        return plan
    kept: list[Action] = []
    withheld: list[Withheld] = []
    for action in plan.actions:
        reason = _objection(action, plan, world, subject)
        if reason is None:
            kept.append(action)
        else:
            withheld.append(Withheld(action, *reason))
    return replace(plan, actions=tuple(kept), withheld=tuple(withheld))


def effective_mode(declared: Mode, world: World, namespace: str) -> Mode:
    """The declared mode under the ceilings of the operator and of the namespace's label."""
    if Mode.OBSERVE in (declared, world.settings.mode):
        return Mode.OBSERVE
    state = _state(world, namespace) if namespace else None
    return Mode.OBSERVE if isinstance(state, Present) and state.value.observe else Mode.ENFORCE


def held_back(plan: Plan, world: World, namespace: str) -> Condition | None:
    """Ready as it stands while actions wait for a person: what they would do, by name. None when they do not wait."""
    if not plan.actions:
        return None
    wanted = "; ".join(f"{action.target}: {action.message}" for action in plan.actions)
    if plan.suspended:
        return false("Ready", "Suspended", f"spec.suspend is true; set it to false to have this done: {wanted}")
    if effective_mode(plan.mode, world, namespace) is Mode.OBSERVE:
        whose = "of the resource, its namespace or the operator"
        return false("Ready", "Observed", f"mode is Observe ({whose}); Enforce would do: {wanted}")
    return None


def _objection(action: Action, plan: Plan, world: World, subject: Subject) -> tuple[str, str] | None:
    if plan.suspended:
        return "Suspended", "spec.suspend is true"
    if effective_mode(plan.mode, world, subject.namespace) is Mode.OBSERVE:
        return "Observed", "mode is Observe: planned, not written"
    namespace = action.target.namespace
    if namespace and _ends(_state(world, namespace)):
        return "NamespaceTerminating", f"namespace {namespace} is being deleted"
    forbidden = next((found for gone in action.gone if (found := _forbidden(gone, world))), None)
    return forbidden or (_unsure(world) if action.takes_away else None)


def permit_of(declaration: Ref, world: World) -> Permit | None:
    """The permit to take away what a vanished declaration has left; None while nobody has judged that."""
    permit = world.fact(("prune", Subject(declaration.resource.kind, declaration.namespace, declaration.name)))
    return permit.value if isinstance(permit, Present) else None


def _forbidden(gone: Gone, world: World) -> tuple[str, str] | None:
    decision = permit_of(gone.declaration, world)
    if decision is None:
        return _NOT_SETTLED
    if not decision.granted:
        return decision.reason, decision.message
    if decision.definition != gone.definition:
        return "NotSettled", f"the definition of {gone.declaration.resource} has just been applied anew"
    return None


def _unsure(world: World) -> tuple[str, str] | None:
    """What is taken away needs full knowledge: of what was read, and of everybody who may still want it."""
    if not isinstance(world.fact(SETTLED), Present):
        return _NOT_SETTLED
    if world.unknowns:
        read, why = next(iter(world.unknowns.items()))
        return "IncompleteKnowledge", f"{_name(read)}: {why.message or why.reason}"
    return None


def is_ending(source: Source, namespace: str) -> bool:
    """Whether nothing is written into a namespace any more, because it is being deleted or gone."""
    return bool(namespace) and _ends(project(source.metadata(Ref(NAMESPACE, "", namespace)), NAMESPACE_STATE))


def _ends(state: Reading[NamespaceState]) -> bool:
    return isinstance(state, Absent) or (isinstance(state, Present) and state.value.terminating)


def _state(world: World, namespace: str) -> Reading[NamespaceState]:
    return world.get(Ref(NAMESPACE, "", namespace), NAMESPACE_STATE)


def _name(read: object) -> str:
    return str(getattr(read, "ref", None) or getattr(read, "resource", None) or getattr(read, "key", "something"))
