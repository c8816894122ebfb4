"""The Pod Security Standards: every check said once, as CEL for the API server and as a judgement of a manifest.

    baseline, restricted   what each check asks, by version: the tables to read beside the standard
    rules, terms           the small algebra they are written in; `cel` writes its expressions
    checks, policy         what others use

The wording is that of k8s.io/pod-security-admission, which ships with Kubernetes; the tests hold both outputs against
that module's own fixtures. PodSecurity skips what is exempted in the API server's own configuration (users, runtime
classes, namespaces); nothing here knows of that.
"""

from breakwater.hardening.standards.checks import Check, checks
from breakwater.hardening.standards.level import NEWEST, Level, Version, parse_version
from breakwater.hardening.standards.policy import (
    policy_validations,
    policy_variables,
)

__all__ = [
    "NEWEST",
    "Check",
    "Level",
    "Version",
    "checks",
    "parse_version",
    "policy_validations",
    "policy_variables",
]
