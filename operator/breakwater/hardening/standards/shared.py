"""Words that several checks use: messages' common parts, profiles' types, and whom newer versions excuse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from breakwater.hardening.standards.rules import Rule, Unless
from breakwater.hardening.standards.terms import At, Is, OneOf

EVERYWHERE: Final = "in containers, initContainers and ephemeralContainers"
POD_TOO: Final = "on the pod and in containers, initContainers and ephemeralContainers"

PROFILES: Final = ("RuntimeDefault", "Localhost")
PROFILE_TYPE: Final = At("type", OneOf(PROFILES), required=True)
"""Seccomp and AppArmor profiles alike: Unconfined is what no level allows."""

SECCOMP: Final = "securityContext.seccompProfile"

ON_WINDOWS: Final = At("os.name", Is("windows"), required=True)
IN_USER_NAMESPACE: Final = At("hostUsers", Is(wanted=False), required=True)


def except_on_windows(rule: Rule) -> Rule:
    """From 1.25 on: pods with `spec.os.name: windows` cannot set the field at all, so they need not."""
    return Unless(ON_WINDOWS, rule)


def except_in_user_namespaces(rule: Rule) -> Rule:
    """From 1.35 on: with `spec.hostUsers: false` root in the container is nobody on the node (KEP-127)."""
    return Unless(IN_USER_NAMESPACE, rule)


def listed(values: Iterable[str]) -> str:
    """Values in a sentence."""
    return ", ".join(values)
