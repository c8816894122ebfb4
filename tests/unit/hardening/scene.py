"""Pods and policies of the unit tests of hardening."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from breakwater.hardening.admission import Pair, Phase, build, label_of
from breakwater.hardening.kind import HardeningPolicySpec, PodDefaults
from breakwater.hardening.plan import DECLARED, plan
from breakwater.hardening.rollout import BINDINGS, POLICIES
from breakwater.hardening.trial import measure_of
from breakwater.kernel.dryrun import Answer, DryRun, write_answers
from breakwater.kernel.measurement import Measure, Measurement, Result
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import Entry
from breakwater.kernel.references import ADMISSION, HARDENING_POLICY, Ref, Subject
from tests.unit.worlds import MemoryWorld, namespace_manifest

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
SYSTEM = "breakwater-system"
SUBJECT = Subject("HardeningPolicy", "", "suite")
POLICY_REF = Ref(HARDENING_POLICY, "", "suite")
DEFAULTS = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "fsGroup": 10001,
    "seccompProfile": "RuntimeDefault",
    "allowPrivilegeEscalation": False,
    "dropCapabilities": ["ALL"],
}


def policy(mode: str = "Enforce", **spec: Any) -> dict[str, Any]:
    """A policy for namespaces of the suite `bpm`."""
    return {
        "apiVersion": "breakwater.dev/v1alpha1",
        "kind": "HardeningPolicy",
        "metadata": {"name": "suite"},
        "spec": {
            "mode": mode,
            "namespaceSelector": {"matchLabels": {"suite": "bpm"}},
            "profile": {"level": "Restricted", "version": "v1.37"},
            "podDefaults": DEFAULTS,
        }
        | spec,
    }


def pod(
    name: str = "app-1", namespace: str = "bpm", context: Mapping[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """A pod of ReplicaSet app-5d8 with one container of this security context."""
    container = {"name": "app", "image": "app"} | ({"securityContext": dict(context)} if context else {})
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "app-5d8", "uid": "1", "controller": True}
    labels = {"app": "app", "pod-template-hash": "5d8"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": [owner]},
        "spec": {"containers": [container]} | spec,
        "status": {"phase": "Running"},
    }


def world(*others: dict[str, Any], declared: dict[str, Any] | None = None) -> MemoryWorld:
    return MemoryWorld(
        namespace_manifest(SYSTEM, **{"kubernetes.io/metadata.name": SYSTEM}),
        namespace_manifest("bpm", suite="bpm"),
        namespace_manifest("kube-system", suite="bpm"),
        declared or policy(),
        *others,
    )


def planned(made: MemoryWorld) -> Plan:
    return made.plan(SUBJECT, plan, NOW)


def act(made: MemoryWorld) -> Plan:
    """One round: plan, do it, write status; returns that plan."""
    result = planned(made)
    for action in result.actions:
        made.act(action, NOW)
    if result.status is not None:
        made.edit(POLICY_REF, lambda item: item.update(status=dict(result.status or {})), by="breakwater")
    return result


def standing(made: MemoryWorld) -> list[str]:
    """The admission objects that stand, as kind and the end of their names."""
    found = (ref for resource in ADMISSION for ref in made.refs(resource))
    return sorted(
        f"{ref.resource.kind.replace('AdmissionPolicy', '')} {ref.name.partition('-suite')[2]}" for ref in found
    )


def pair_of(made: MemoryWorld, mutates: bool = True) -> Pair:
    declared = Entry.of(made.manifest(POLICY_REF)).project(DECLARED)
    assert declared.spec is not None
    return build("suite", declared.uid, declared.spec, SYSTEM, mutates)


def spec_of(made: MemoryWorld) -> HardeningPolicySpec:
    return HardeningPolicySpec.read(made.manifest(POLICY_REF)["spec"])


def good_answer(pair: Pair, sample: Mapping[str, Any], **changes: Any) -> Answer:
    """What an API server says that has loaded the pair."""
    hardened = {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "sample",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    }
    annotations = dict([pair.mark]) if "os" not in sample["spec"] else {}
    said = f"Validation failed for ValidatingAdmissionPolicy '{pair.name}' with binding 'x': {pair.marker}"
    given: dict[str, Any] = {
        "code": 201,
        "message": "",
        "warnings": (said,),
        "annotations": annotations,
        "spec": hardened,
    }
    return Answer(**(given | changes))


def versions(made: MemoryWorld, phase: Phase, *, mutates: bool = True) -> str:
    """Of what is at work in a phase: the policies, what binds them, the phase's own bindings."""
    pair = pair_of(made, mutates)
    bindings = [pair.name, pair.trial_name(phase)] if phase is Phase.LOADED else [pair.trial_name(phase)]
    names = [(POLICIES, pair.name), *((BINDINGS, name) for name in bindings)]
    refs = [Ref(resource, "", name) for resources, name in names for resource in resources]
    found = (made.manifest(ref)["metadata"] for ref in refs if ref in made.refs(ref.resource))
    return " ".join(f"{metadata['uid']}/{metadata['resourceVersion']}" for metadata in found)


def answer(
    made: MemoryWorld,
    phase: Phase,
    change: Mapping[str, Any] | None = None,
    only: str = "",
    others: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    mutates: bool = True,
) -> Measure:
    """Let the samples of a phase be answered, well but for `change` on the sample `only` (or all), and `others`.

    They are those of the whole pair, or of the half that refuses where nothing `mutates`.
    """
    pair = pair_of(made, mutates)
    defaults = spec_of(made).pod_defaults if mutates else PodDefaults()
    measure = measure_of(pair, defaults, phase, versions(made, phase, mutates=mutates))
    probe: DryRun = measure.probe
    facts = {}
    for sample in probe.samples:
        manifest = orjson.loads(sample.text)
        assert manifest["metadata"]["labels"] == {"breakwater.dev/trial": label_of(pair.token, phase)}
        changed = change if change and only in ("", sample.name) else (others or {}).get(sample.name, {})
        facts[sample.name] = write_answers([good_answer(pair, manifest, **changed)])
    found = Measurement(
        measure.name, measure.digest, NOW, NOW + measure.validity, Result.UNKNOWN, "Answered", "", facts
    )
    made.state(("measured", SUBJECT, measure.name), found)
    return measure


def bound() -> MemoryWorld:
    """A world in which the policy is in force."""
    made = world()
    act(made)
    answer(made, Phase.TRIAL)
    act(made)
    act(made)
    answer(made, Phase.LOADED)
    act(made)
    act(made)
    return made
