from __future__ import annotations

from typing import Any

import pytest

from breakwater.hardening.defaults import changes, is_undecided
from breakwater.hardening.kind import PodDefaults
from tests.unit.hardening.scene import DEFAULTS, pod

ALL = PodDefaults.read(DEFAULTS)
NON_ROOT = PodDefaults.read({"runAsNonRoot": True})
POD = "spec.securityContext"
CONTAINER = "spec.containers[0].securityContext"
EVERYTHING = (
    f"{POD}.runAsUser: 10001",
    f"{POD}.fsGroup: 10001",
    f"{POD}.runAsNonRoot: true",
    f"{POD}.seccompProfile.type: RuntimeDefault",
    f"{CONTAINER}.allowPrivilegeEscalation: false",
    f"{CONTAINER}.capabilities.drop: [ALL]",
)


def without(*names: str) -> tuple[str, ...]:
    """All changes but those of these fields."""
    return tuple(item for item in EVERYTHING if not any(f".{name}" in item for name in names))


@pytest.mark.parametrize(
    ("spec", "context", "expected"),
    [
        ({}, None, EVERYTHING),
        ({"securityContext": {"runAsUser": 7}}, None, without("runAsUser")),
        ({"securityContext": {"runAsUser": 0}}, None, without("runAsUser", "runAsNonRoot")),
        ({}, {"runAsUser": 0}, without("runAsNonRoot")),
        ({}, {"runAsUser": 7}, EVERYTHING),
        ({"securityContext": {"runAsNonRoot": False}}, None, without("runAsNonRoot")),
        ({"securityContext": {"fsGroup": 0}}, None, without("fsGroup")),
        ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, None, without("seccompProfile")),
        ({}, {"allowPrivilegeEscalation": True}, without("allowPrivilegeEscalation")),
        ({}, {"privileged": True}, without("allowPrivilegeEscalation")),
        ({}, {"capabilities": {"add": ["SYS_ADMIN"]}}, without("allowPrivilegeEscalation")),
        ({}, {"capabilities": {"add": ["NET_BIND_SERVICE"]}}, EVERYTHING),
        ({}, {"capabilities": {"drop": ["NET_RAW"]}}, without("drop")),
        ({"os": {"name": "windows"}}, None, ()),
    ],
)
def test_only_what_a_pod_leaves_open_is_set(
    spec: dict[str, Any], context: dict[str, Any] | None, expected: tuple[str, ...]
) -> None:
    assert changes(pod(context=context, **spec), ALL) == expected


def test_init_containers_are_hardened_too_and_debug_containers_are_not_there_yet() -> None:
    found = changes(pod(initContainers=[{"name": "first"}]), PodDefaults.read({"dropCapabilities": ["NET_RAW"]}))
    assert found == (
        f"{CONTAINER}.capabilities.drop: [NET_RAW]",
        "spec.initContainers[0].securityContext.capabilities.drop: [NET_RAW]",
    )


def test_nothing_is_set_that_is_not_declared() -> None:
    assert changes(pod(), PodDefaults()) == ()


@pytest.mark.parametrize(
    ("spec", "context", "defaults", "expected"),
    [
        ({}, None, NON_ROOT, True),
        ({}, None, ALL, False),
        ({}, {"runAsUser": 7}, NON_ROOT, False),
        ({}, {"runAsUser": 0}, NON_ROOT, False),
        ({}, {"runAsNonRoot": True}, NON_ROOT, False),
        ({"securityContext": {"runAsUser": 7}}, None, NON_ROOT, False),
        ({"securityContext": {"runAsNonRoot": False}}, None, NON_ROOT, False),
        ({"initContainers": [{"name": "first"}]}, {"runAsUser": 7}, NON_ROOT, True),
        ({"initContainers": [{"name": "first"}]}, {"runAsUser": 0}, NON_ROOT, False),
        ({"os": {"name": "windows"}}, None, NON_ROOT, False),
        ({}, None, PodDefaults(), False),
    ],
)
def test_only_an_image_tells_who_runs_where_neither_pod_nor_policy_says_it(
    spec: dict[str, Any], context: dict[str, Any] | None, defaults: PodDefaults, expected: bool
) -> None:
    found = pod(context=context, **spec)
    assert is_undecided(found, defaults) is expected
    if expected:
        assert not any("runAsNonRoot" in change for change in changes(found, defaults))
