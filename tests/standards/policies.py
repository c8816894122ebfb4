"""The standards as policies that an API server can be given."""

from __future__ import annotations

from typing import Any

from breakwater.hardening.standards import (
    Level,
    Version,
    checks,
    policy_validations,
    policy_variables,
)
from breakwater.hardening.standards.rules import CONTAINER_LISTS

_API = "admissionregistration.k8s.io/v1"
STANDARD = "standard"
"""Label of the policies, and of the namespaces that each is bound to; its value is the policy's name."""


def policy_name(level: Level, version: Version) -> str:
    return f"{level.lower()}-{version}".replace(".", "-")


def policy(level: Level, version: Version) -> dict[str, Any]:
    """A ValidatingAdmissionPolicy of all checks."""
    name = policy_name(level, version)
    return {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name, "labels": {STANDARD: name}},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": resource_rules()},
            "matchConditions": match_conditions(),
            "variables": policy_variables(),
            "validations": policy_validations(checks(level, version)),
        },
    }


def bindings(level: Level, version: Version) -> list[dict[str, Any]]:
    """Two bindings: one refuses, and says the first check that failed; the other warns, and says each of them."""
    name = policy_name(level, version)
    return [
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": f"{name}-{action.lower()}", "labels": {STANDARD: name}},
            "spec": {
                "policyName": name,
                "validationActions": [action],
                "matchResources": {"namespaceSelector": {"matchLabels": {STANDARD: name}}},
            },
        }
        for action in ("Deny", "Warn")
    ]


def labels(level: Level, version: Version) -> dict[str, str]:
    """What makes a namespace the policy's, and has Kubernetes' own PodSecurity say beside it what it would refuse."""
    kubernetes = "pod-security.kubernetes.io"
    standard = {f"{kubernetes}/warn": level.lower(), f"{kubernetes}/warn-version": str(version)}
    return {STANDARD: policy_name(level, version), **standard}


def namespace(level: Level, version: Version) -> dict[str, Any]:
    """The namespace in which the policy counts, called as the policy."""
    metadata = {"name": policy_name(level, version), "labels": labels(level, version)}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def resource_rules() -> list[dict[str, Any]]:
    """`spec.matchConstraints.resourceRules`: whatever brings containers into the cluster or changes their images.

    No other subresource of pods can (k8s.io/pod-security-admission, admission/admission.go, ignoredPodSubresources).
    """
    matched = (("pods", ["CREATE", "UPDATE"]), ("pods/ephemeralcontainers", ["UPDATE"]))
    return [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": operations, "resources": [resource]}
        for resource, operations in matched
    ]


def match_conditions() -> list[dict[str, str]]:
    """`spec.matchConditions`: an update is judged only where it adds a container or changes an image.

    So does the built-in admission (the same file, isSignificantPodUpdate): nothing else can change how a pod runs, and
    without this a pod older than the policy could not even lose its finalizers.
    """
    changed = (f"{_images('object', name)} != {_images('oldObject', name)}" for name in CONTAINER_LISTS)
    return [{"name": "changes-containers", "expression": " || ".join(("oldObject == null", *changed))}]


def _images(holder: str, name: str) -> str:
    return f"{holder}.spec.?{name}.orValue([]).map(container, [container.name, container.?image.orValue('')])"
