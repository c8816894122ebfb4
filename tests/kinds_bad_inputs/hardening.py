"""Mistakes in a hardening policy."""

from __future__ import annotations

from typing import Any

from tests.kinds_bad_inputs.table import POLICY, BadInput

_VERSION = "must be latest or a release of Kubernetes such as v1.37"
_CAPABILITY = "must be ALL or a capability in upper case without CAP_"


def _bad(name: str, change: dict[str, Any], field: str, message: str, model_message: str = "") -> BadInput:
    return BadInput(name, POLICY, change, f"spec.{field}", message, model_message)


def _default(name: str, member: str, value: Any, message: str, model_message: str = "", item: str = "") -> BadInput:
    return _bad(name, {"podDefaults": {member: value}}, f"podDefaults.{member}{item}", message, model_message)


POLICIES = (
    _bad("hardening-no-namespaces", {"namespaceSelector": None}, "namespaceSelector", "Required", "is required"),
    _bad("hardening-no-profile", {"profile": None}, "profile", "Required", "is required"),
    _bad("hardening-level", {"profile": {"level": "Privileged"}}, "profile.level", "Baseline", "Baseline"),
    _bad("hardening-version-bare", {"profile": {"version": "1.37"}}, "profile.version", _VERSION),
    _bad("hardening-version-patch", {"profile": {"version": "v1.37.2"}}, "profile.version", _VERSION),
    _bad("hardening-mode", {"mode": "Audit"}, "mode", "Observe", "Observe"),
    _default("hardening-root-wanted", "runAsNonRoot", value=False, message="must be true: false is what pods have"),
    _default("hardening-root-user", "runAsUser", 0, "must be 1 or higher: 0 is root"),
    _default("hardening-escalation", "allowPrivilegeEscalation", value=True, message="must be false: true is what"),
    _default("hardening-unconfined", "seccompProfile", "Unconfined", "RuntimeDefault", "RuntimeDefault"),
    _default("hardening-capability-prefix", "dropCapabilities", ["net_raw"], _CAPABILITY, item="[0]"),
)
