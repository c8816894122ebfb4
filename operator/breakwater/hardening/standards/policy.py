"""The standards as parts of a ValidatingAdmissionPolicy, which the API server evaluates in its own process."""

from __future__ import annotations

from typing import Any, Final

from breakwater.hardening.standards.checks import checks
from breakwater.hardening.standards.level import Level, Version
from breakwater.hardening.standards.rules import CONTAINER_LISTS, CONTAINERS

_VARIABLE: Final = "containers"


def policy_variables(level: Level, version: Version) -> list[dict[str, str]]:  # noqa: ARG001 - the sets may come to differ
    """`spec.variables` that `policy_validations` of the same arguments needs: the containers are put together once."""
    return [{"name": _VARIABLE, "expression": CONTAINERS}]


def policy_validations(level: Level, version: Version) -> list[dict[str, str]]:
    """`spec.validations`: one for each check; a refused request gets 403 and the check's message."""
    return [
        {
            "expression": check.rule.cel(f"variables.{_VARIABLE}").text,
            "message": f"{check.id}: {check.message}",
            "reason": "Forbidden",
        }
        for check in checks(level, version)
    ]


def policy_resource_rules() -> list[dict[str, Any]]:
    """`spec.matchConstraints.resourceRules`: whatever brings containers into the cluster or changes their images.

    No other subresource of pods can (k8s.io/pod-security-admission, admission/admission.go, ignoredPodSubresources).
    """
    matched = (("pods", ["CREATE", "UPDATE"]), ("pods/ephemeralcontainers", ["UPDATE"]))
    return [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": operations, "resources": [resource]}
        for resource, operations in matched
    ]


def policy_match_conditions() -> list[dict[str, str]]:
    """`spec.matchConditions`: an update is judged only where it adds a container or changes an image.

    So does the built-in admission (the same file, isSignificantPodUpdate): nothing else can change how a pod runs, and
    without this a pod older than the policy could not even lose its finalizers.
    """
    changed = (f"{_images('object', name)} != {_images('oldObject', name)}" for name in CONTAINER_LISTS)
    return [{"name": "changes-containers", "expression": " || ".join(("oldObject == null", *changed))}]


def _images(holder: str, name: str) -> str:
    return f"{holder}.spec.?{name}.orValue([]).map(container, [container.name, container.?image.orValue('')])"
