"""The trial of a pair: before it is bound for anybody, the API server shows on samples that it works.

The pair stands with its final content and is bound to one label in the operator's namespace. Samples with that label
are created as dry runs, and nothing that comes back counts before both policies are seen in it: a new policy is loaded
about a second later, and by one API server after the other.

What was measured on Kubernetes 1.37 and decides the shape of this:
- PodSecurity judges before ValidatingAdmissionPolicies do, and the operator's namespace enforces `restricted`. So a
  sample that violates a check never reaches ours there. Samples conform; a validation of our own that always fails in
  a trial shows that the policy was evaluated.
- Bound with Warn, a validating policy reports each failing validation as a warning, and likewise each expression that
  ends in an error ("... resulted in error: no such key"), with its own name in the text.
- A mutating policy that fails refuses the sample with its name in the message, before PodSecurity looks at it; one that
  works leaves its annotation.
The same samples tell later when a binding is in force: an API server takes up all bindings that it knows of at once, in
the order of their making, so one that was made before a binding whose effect is seen is in force as well.
What no sample reaches, the check of types does (see `typecheck`).
What neither can show is that a violating pod is refused; the tests of the standards show that of each expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any, Final

from breakwater.hardening.admission import TRIAL, Pair, Phase, label_of
from breakwater.hardening.defaults import changes
from breakwater.hardening.kind import PodDefaults
from breakwater.hardening.typecheck import UNASKED, Types
from breakwater.kernel.dryrun import Answer, DryRun, Sample, read_answers
from breakwater.kernel.measurement import Measure
from breakwater.kernel.reading import Present
from breakwater.kernel.references import POD
from breakwater.kernel.world import World

REPEATS: Final = 5
INTERVAL: Final = timedelta(minutes=1)
"""From one try of a pair that does not pass to the next, once it has failed for a while."""
_LONGEST = 600


class State(Enum):
    """How a trial stands."""

    WAITING = auto()
    """The pair was not seen at work in every answer yet."""
    HINDERED = auto()
    """Somebody else refuses the samples, so that nobody can tell."""
    FAILED = auto()
    PASSED = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the answers say; the message is for people."""

    state: State
    message: str


def measure_of(pair: Pair, defaults: PodDefaults, phase: Phase, versions: str) -> Measure:
    """The samples to try.

    Args:
        pair: what is tried.
        defaults: those that it sets.
        phase: what for.
        versions: of the objects that are at work. The samples bear them, so that answers from before somebody deleted
            or changed one of these are answers to other samples.
    """
    samples = (
        Sample.of("declared", _sample(pair, phase, versions, PodDefaults())),
        Sample.of("bare", _sample(pair, phase, versions, defaults)),
        Sample.of("windows", _windows(pair, phase, versions)),
    )
    probe = DryRun(POD, pair.own_namespace, samples, REPEATS)
    return Measure(phase.value.title(), probe, probe.digest(), INTERVAL)


def judge(world: World, measure: Measure, pair: Pair, defaults: PodDefaults, types: Types = UNASKED) -> Verdict:
    """How the trial stands by the last answers to exactly these samples, and by the check of its types."""
    if types.fault:
        return Verdict(State.FAILED, types.fault)
    reading = world.measurement(measure.name)
    if not isinstance(reading, Present) or reading.value.digest != measure.digest:
        return Verdict(State.WAITING, "its samples have not been tried yet")
    probe: DryRun = measure.probe
    found = [
        _judged(sample.name, answer, pair, defaults)
        for sample in probe.samples
        for answer in read_answers(reading.value.facts.get(sample.name, "[]"))
    ]
    unanswered = any(sample.name not in reading.value.facts for sample in probe.samples)
    # Before the mutating policy is loaded, PodSecurity refuses the bare sample: that says nothing yet.
    for state in (State.FAILED, State.WAITING, State.HINDERED):
        verdict = next((each for each in found if each.state is state), None)
        if verdict is not None:
            return verdict
    if unanswered:
        return Verdict(State.WAITING, reading.value.message)
    if types.due:
        return Verdict(State.WAITING, "the types of its expressions have not been checked yet")
    return Verdict(State.PASSED, "its samples were admitted as they should be")


def _judged(name: str, answer: Answer, pair: Pair, defaults: PodDefaults) -> Verdict:
    fault = next((text for text in (answer.message, *answer.warnings) if _is_fault(text, pair)), None)
    if fault is not None:
        return Verdict(State.FAILED, f"sample {name}: {fault[:_LONGEST]}")
    if not answer.is_admitted:
        refused = f"sample {name} was refused by others than its policies: {answer.message[:_LONGEST]}"
        remedy = f"let dry runs of pods with the label {TRIAL} pass in namespace {pair.own_namespace}"
        return Verdict(State.HINDERED, f"{refused}; {remedy}")
    marked = pair.mutating is None or name == "windows" or answer.annotations.get(pair.mark[0]) == pair.mark[1]
    if not marked or not any(pair.marker in warning for warning in answer.warnings):
        return Verdict(State.WAITING, "the API server has not loaded its policies yet")
    left = () if name == "windows" else changes({"spec": answer.spec}, defaults)
    if left:
        return Verdict(State.FAILED, f"sample {name}: the mutating policy leaves out {', '.join(left)}")
    return Verdict(State.PASSED, "")


def _is_fault(text: str, pair: Pair) -> bool:
    """Whether one of our policies speaks, and not by its marker."""
    return f"'{pair.name}'" in text and pair.marker not in text


def _sample(pair: Pair, phase: Phase, versions: str, defaults: PodDefaults) -> dict[str, Any]:
    """A pod that conforms to Restricted, but for what `defaults` are to set on it."""
    user = {"runAsUser": 10001} if defaults.run_as_user is None else {}
    profile = {"seccompProfile": {"type": "RuntimeDefault"}} if defaults.seccomp_profile is None else {}
    non_root = {} if defaults.run_as_non_root else {"runAsNonRoot": True}
    escalation = {} if defaults.allow_privilege_escalation is False else {"allowPrivilegeEscalation": False}
    # With fewer dropped, PodSecurity would refuse the sample.
    all_dropped = "ALL" in defaults.drop_capabilities
    capabilities = {} if all_dropped else {"capabilities": {"drop": ["ALL"]}}
    context = {**escalation, **capabilities}
    container = {"name": "sample", "image": "sample", **({"securityContext": context} if context else {})}
    spec = {
        "securityContext": {**user, **profile, **non_root},
        "containers": [container, {**container, "name": "other"}],
        "initContainers": [{**container, "name": "first"}],
    }
    return _pod(pair, phase, versions, spec)


def _windows(pair: Pair, phase: Phase, versions: str) -> dict[str, Any]:
    spec = {
        "os": {"name": "windows"},
        "securityContext": {"runAsNonRoot": True},
        "containers": [{"name": "sample", "image": "sample"}],
    }
    return _pod(pair, phase, versions, spec)


def _pod(pair: Pair, phase: Phase, versions: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pair.trial_name(phase),
            "namespace": pair.own_namespace,
            "labels": {TRIAL: label_of(pair.token, phase)},
            "annotations": {TRIAL: versions},
        },
        # A token's volume would have another name in each answer.
        "spec": {**spec, "automountServiceAccountToken": False},
    }
