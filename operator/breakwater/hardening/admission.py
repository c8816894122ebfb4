"""A HardeningPolicy as the pair of admission policies that the API server evaluates in its own process.

Both have `failurePolicy: Fail`. What a policy cannot evaluate it cannot vouch for, and with Ignore a mistake of ours
would pass its trial unseen, for it would show in no answer. The price, that such a mistake stops pods, is what the
trial is for (see `trial`): nothing is bound before real answers of the API server have shown both of them at work.

Matched are creations of pods only, and ephemeral containers being added to them; so no update, and hence no removal of
a finalizer and no deletion, ever waits for a policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any, Final

import orjson

from breakwater.hardening.defaults import mutations, variables
from breakwater.hardening.kind import HardeningPolicySpec, PodDefaults
from breakwater.hardening.standards import (
    NEWEST,
    Check,
    Level,
    checks,
    parse_version,
    policy_validations,
    policy_variables,
)
from breakwater.hardening.standards.cel import cel_string, literals
from breakwater.kernel.fields import LabelSelector
from breakwater.kernel.references import GROUP

NAME_LABEL: Final = "kubernetes.io/metadata.name"
SYSTEM_NAMESPACES: Final = ("kube-node-lease", "kube-public", "kube-system")
TRIAL: Final = f"{GROUP}/trial"
HARDENED_BY: Final = f"hardened-by.{GROUP}"
"""Prefix of the annotation that the mutating policy leaves on each pod, one for each HardeningPolicy: whoever wonders
why a pod differs from its template finds the answer on it. In the trial it is the mark of the policy being at work."""

_NO_ROOT: Final = "runAsUser"
"""The check that refuses who asks for root; its name is that of the standard."""
_CREATED: Final = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
_DEBUGGED: Final = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["UPDATE"],
    "resources": ["pods/ephemeralcontainers"],
}


class Phase(Enum):
    """What a pair is tried for; the value ends the names of its bindings for that."""

    TRIAL = "trial"
    """Whether it works."""
    LOADED = "loaded"
    """Whether what was bound before these bindings were made is in force."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The admission policies of one content; never changed, only replaced by another pair.

    Attributes:
        name: of all its objects, with the content's hash in it.
        policy: the HardeningPolicy's name.
        content: the hash.
        token: names its trial; a value that nobody else's pods bear.
        mutating: `spec` of the mutating policy; None where no defaults are declared, or none can be set.
        validating: `spec` of the validating policy.
        scope: `matchResources` of its bindings.
        own_namespace: the operator's, where it is tried.
    """

    name: str
    policy: str
    content: str
    token: str
    mutating: Mapping[str, Any] | None
    validating: Mapping[str, Any]
    scope: Mapping[str, Any]
    own_namespace: str

    def trial_scope(self, phase: Phase) -> dict[str, Any]:
        """`matchResources` of bindings that hold for samples only."""
        return {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {"matchLabels": {NAME_LABEL: self.own_namespace}},
            "objectSelector": {"matchLabels": {TRIAL: label_of(self.token, phase)}},
        }

    def trial_name(self, phase: Phase) -> str:
        """Name of those bindings."""
        return f"{self.name}-{phase.value}"

    @property
    def mark(self) -> tuple[str, str]:
        """The annotation that its mutating policy leaves."""
        return mark_of(self.policy, self.content)

    @property
    def marker(self) -> str:
        """The words by which its validating policy is known in a trial."""
        return marker_of(self.policy, self.token)


def label_of(token: str, phase: Phase) -> str:
    """The label of samples, another one in each phase, so that an answer tells which binding was at work."""
    return f"{token}-{phase.value}"


def mark_of(policy: str, content: str) -> tuple[str, str]:
    """The annotation of a policy's content."""
    return f"{HARDENED_BY}/{policy}", content


def marker_of(policy: str, token: str) -> str:
    """What the validation says that fails in a trial, and only there."""
    return f"HardeningPolicy {policy}: trial {token} seen"


def enforced_checks(level: Level, version: str, defaults: PodDefaults) -> tuple[Check, ...]:
    """The checks of the profile, and that nobody asks for root where `podDefaults.runAsNonRoot` does not want it."""
    own = checks(level, parse_version(version))
    if not defaults.run_as_non_root or any(check.id == _NO_ROOT for check in own):
        return own
    return (*own, *(check for check in checks(Level.RESTRICTED, NEWEST) if check.id == _NO_ROOT))


def build(policy: str, uid: str, spec: HardeningPolicySpec, own_namespace: str, mutates: bool = True) -> Pair:
    """The pair of a policy.

    Args:
        policy: name of the HardeningPolicy.
        uid: its uid, so that one of the same name later has a trial of its own.
        spec: what it declares.
        own_namespace: the operator's, where trials take place and nothing else is matched.
        mutates: whether the API server serves policies that set anything; where not, there is but the other half.
    """
    scope = _scope(spec, own_namespace)
    parts = (
        _mutating(spec, mark_of(policy, ""), own_namespace, "") if mutates else None,
        _validating(policy, spec, own_namespace, ""),
        scope,
    )
    content = sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:10]
    token = sha256(f"{uid}/{content}".encode()).hexdigest()[:20]
    return Pair(
        name=f"breakwater-{policy}-{content}",
        policy=policy,
        content=content,
        token=token,
        mutating=_mutating(spec, mark_of(policy, content), own_namespace, token) if mutates else None,
        validating=_validating(policy, spec, own_namespace, token),
        scope=scope,
        own_namespace=own_namespace,
    )


def _mutating(
    spec: HardeningPolicySpec, mark: tuple[str, str], own_namespace: str, token: str
) -> dict[str, Any] | None:
    if spec.pod_defaults.is_empty:
        return None
    # Windows knows none of these fields, and the API server refuses pods for it that set them.
    linux = {"name": "linux", "expression": "object.spec.?os.?name.orValue('linux') != 'windows'"}
    wanted = variables(spec.pod_defaults)
    return {
        "matchConstraints": _constraints(_CREATED),
        "matchConditions": [_outside(own_namespace, token), linux],
        **({"variables": wanted} if wanted else {}),
        "mutations": mutations(spec.pod_defaults, mark),
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
    }


def _validating(policy: str, spec: HardeningPolicySpec, own_namespace: str, token: str) -> dict[str, Any]:
    return {
        "matchConstraints": _constraints(_CREATED, _DEBUGGED),
        "matchConditions": [_outside(own_namespace, token)],
        "variables": policy_variables(),
        "validations": [_trial_marker(policy, token), *_validations(policy, spec)],
        "failurePolicy": "Fail",
    }


def _trial_marker(policy: str, token: str) -> dict[str, str]:
    """Fails in the trial of this pair and nowhere else: its words in an answer show that the policy was evaluated.

    Bound with Warn, a policy puts every failing validation and every error into warnings, this one first.
    """
    return {"expression": f"!({_on_trial(token)})", "message": marker_of(policy, token), "reason": "Forbidden"}


def _validations(policy: str, spec: HardeningPolicySpec) -> list[dict[str, str]]:
    asked = enforced_checks(spec.profile.level, spec.profile.version, spec.pod_defaults)
    # The API server tells the first refusal only; of a pod that asks for root it should be the one that says so.
    ordered = sorted(asked, key=lambda check: check.id != _NO_ROOT)
    return [{**item, "message": f"HardeningPolicy {policy}: {item['message']}"} for item in policy_validations(ordered)]


def _constraints(*rules: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "resourceRules": [{**rule, "scope": "*"} for rule in rules],
    }


def _outside(own_namespace: str, token: str) -> dict[str, str]:
    """Said in the policy itself too, so that no binding, whoever makes it, reaches where it could stop the cluster."""
    system = f"!(request.namespace in {literals(SYSTEM_NAMESPACES)})"
    return {
        "name": "outside-of-the-system",
        "expression": f"{system} && (request.namespace != {cel_string(own_namespace)} || {_on_trial(token)})",
    }


def _on_trial(token: str) -> str:
    labels = literals(label_of(token, phase) for phase in Phase)
    return f"object.metadata.?labels[{cel_string(TRIAL)}].orValue('') in {labels}"


def _scope(spec: HardeningPolicySpec, own_namespace: str) -> dict[str, Any]:
    namespaces = _selector(spec.namespace_selector)
    excluded = {
        "key": NAME_LABEL,
        "operator": "NotIn",
        "values": sorted({*SYSTEM_NAMESPACES, own_namespace}),
    }
    namespaces["matchExpressions"] = [*namespaces.get("matchExpressions", ()), excluded]
    objects = _selector(spec.object_selector) if spec.object_selector else {}
    return {"matchPolicy": "Equivalent", "namespaceSelector": namespaces, "objectSelector": objects}


def _selector(selector: LabelSelector) -> dict[str, Any]:
    """In the server's form: what is empty is absent."""
    parts = {key: value for key, value in selector.manifest().items() if value}
    if "matchExpressions" in parts:
        parts["matchExpressions"] = [
            {key: value for key, value in item.items() if value} for item in parts["matchExpressions"]
        ]
    return parts


def is_meant(spec: HardeningPolicySpec, namespace: str, labels: Mapping[str, str], own_namespace: str) -> bool:
    """Whether the pods of a namespace with these labels are meant, as the bindings say it."""
    if namespace in SYSTEM_NAMESPACES or namespace == own_namespace:
        return False
    return spec.namespace_selector.matches({NAME_LABEL: namespace, **labels})
