"""What the samples leave open: exact paths, ephemeral containers, defaults of the API server, versions, messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwater.hardening.standards import (
    NEWEST,
    Level,
    Version,
    checks,
    parse_version,
    policy_validations,
    policy_variables,
)
from breakwater.hardening.standards.cel import cel_string, member
from tests.standards.policies import match_conditions

ALL = [(level, Version(minor)) for level in Level for minor in range(NEWEST.minor + 1)]
APPARMOR = "container.apparmor.security.beta.kubernetes.io/app"
SECCOMP = "container.seccomp.security.alpha.kubernetes.io/app"


def violations(check_id: str, pod: Mapping[str, Any], version: str = "latest") -> tuple[str, ...]:
    asked = {check.id: check for level in Level for check in checks(level, parse_version(version))}
    return asked[check_id].violations(pod)


def pod(*contexts: dict[str, Any] | None, **spec: Any) -> dict[str, Any]:
    """A pod with a container for each security context."""
    containers = [{"name": "app"} | ({"securityContext": context} if context else {}) for context in contexts]
    return {"spec": {"containers": containers, **spec}}


def context_of(**context: Any) -> dict[str, Any]:
    return {"name": "app", "securityContext": context}


PATHS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "the container of several that is wrong": (
        "privileged",
        pod({"privileged": False}, {"privileged": True}),
        ("spec.containers[1].securityContext.privileged",),
    ),
    "every kind of container": (
        "privileged",
        {
            "spec": {
                "initContainers": [context_of(privileged=True)],
                "containers": [context_of(privileged=True)],
                "ephemeralContainers": [context_of(privileged=True)],
            }
        },
        (
            "spec.initContainers[0].securityContext.privileged",
            "spec.containers[0].securityContext.privileged",
            "spec.ephemeralContainers[0].securityContext.privileged",
        ),
    ),
    "a field that is missing, where it would stand": (
        "allowPrivilegeEscalation",
        pod(None, {}, {"allowPrivilegeEscalation": None}),
        tuple(f"spec.containers[{n}].securityContext.allowPrivilegeEscalation" for n in range(3)),
    ),
    "each capability that is too much, and the drop that is missing": (
        "capabilities_restricted",
        pod({"capabilities": {"add": ["CHOWN", "NET_BIND_SERVICE", "KILL"]}}, {"capabilities": {"drop": ["all"]}}),
        (
            "spec.containers[0].securityContext.capabilities.drop",
            "spec.containers[0].securityContext.capabilities.add[0]",
            "spec.containers[0].securityContext.capabilities.add[2]",
            "spec.containers[1].securityContext.capabilities.drop",
        ),
    ),
    "a pod's profile that is wrong, and not who inherits it": (
        "seccompProfile_restricted",
        pod(
            None, {"seccompProfile": {"type": "Localhost"}}, securityContext={"seccompProfile": {"type": "Unconfined"}}
        ),
        ("spec.securityContext.seccompProfile.type",),
    ),
    "containers that inherit from a pod that says nothing": (
        "runAsNonRoot",
        pod(None, {"runAsNonRoot": True}, {"runAsNonRoot": False}),
        ("spec.containers[0].securityContext.runAsNonRoot", "spec.containers[2].securityContext.runAsNonRoot"),
    ),
    "a profile without its type": (
        "seccompProfile_restricted",
        pod({"seccompProfile": {}}),
        ("spec.containers[0].securityContext.seccompProfile.type",),
    ),
    "the kind of a volume": (
        "restrictedVolumes",
        pod(volumes=[{"name": "a", "secret": {}}, {"name": "b", "nfs": {"path": "/"}}]),
        ("spec.volumes[1].nfs",),
    ),
    "a kind of volume that is newer than this table": (
        "restrictedVolumes",
        pod(volumes=[{"name": "a", "someday": {}}]),
        ("spec.volumes[0].someday",),
    ),
    "a volume without a kind, which becomes an empty directory": (
        "restrictedVolumes",
        pod(volumes=[{"name": "a"}]),
        (),
    ),
    "a host's path": ("hostPathVolumes", pod(volumes=[{"name": "a", "hostPath": {}}]), ("spec.volumes[0].hostPath",)),
    "ports of a pod in the host's network, which become the host's": (
        "hostPorts",
        {"spec": {"hostNetwork": True, "containers": [{"ports": [{"containerPort": 80}]}, {"name": "b"}]}},
        ("spec.containers[0].ports[0].hostPort",),
    ),
    "ports of another pod": ("hostPorts", {"spec": {"containers": [{"ports": [{"containerPort": 80}]}]}}, ()),
    "each namespace of the host": (
        "hostNamespaces",
        pod(hostPID=True, hostIPC=True, hostNetwork=False),
        ("spec.hostPID", "spec.hostIPC"),
    ),
    "the host of a handler": (
        "hostProbesAndHostLifecycle",
        {"spec": {"containers": [{"lifecycle": {"preStop": {"tcpSocket": {"host": "10.0.0.1"}}}}]}},
        ("spec.containers[0].lifecycle.preStop.tcpSocket.host",),
    ),
    "an annotation by its key": (
        "appArmorProfile",
        {"metadata": {"annotations": {APPARMOR: "unconfined", "other": "unconfined"}}, "spec": {}},
        (f"metadata.annotations[{APPARMOR}]",),
    ),
    "each part of SELinux options": (
        "seLinuxOptions",
        pod({"seLinuxOptions": {"type": "spc_t", "user": "u", "level": "s0"}}),
        (
            "spec.containers[0].securityContext.seLinuxOptions.type",
            "spec.containers[0].securityContext.seLinuxOptions.user",
        ),
    ),
    "a sysctl by its place": (
        "sysctls",
        pod(securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem"}, {"name": "kernel.msgmax"}]}),
        ("spec.securityContext.sysctls[1].name",),
    ),
    "what Windows calls privileged, on the pod and in a container": (
        "windowsHostProcess",
        pod({"windowsOptions": {"hostProcess": True}}, securityContext={"windowsOptions": {"hostProcess": True}}),
        (
            "spec.securityContext.windowsOptions.hostProcess",
            "spec.containers[0].securityContext.windowsOptions.hostProcess",
        ),
    ),
    "nothing, where the pod says who it runs as": ("runAsUser", pod(None, {"runAsUser": 10001}), ()),
}


@pytest.mark.parametrize("name", PATHS)
def test_violations_name(name: str) -> None:
    check, manifest, expected = PATHS[name]
    assert violations(check, manifest) == expected


IN_USER_NAMESPACE = pod({"runAsUser": 0, "procMount": "Unmasked"}, hostUsers=False)
ON_WINDOWS = pod(None, os={"name": "windows"})
CHANGES = [
    ("runAsNonRoot", IN_USER_NAMESPACE, "v1.34", "v1.35"),
    ("runAsUser", IN_USER_NAMESPACE, "v1.34", "v1.35"),
    ("procMount", IN_USER_NAMESPACE, "v1.34", "v1.35"),
    ("allowPrivilegeEscalation", ON_WINDOWS, "v1.24", "v1.25"),
    ("capabilities_restricted", ON_WINDOWS, "v1.24", "v1.25"),
    ("seccompProfile_restricted", ON_WINDOWS, "v1.24", "v1.25"),
    ("seLinuxOptions", pod({"seLinuxOptions": {"type": "container_engine_t"}}), "v1.30", "v1.31"),
    ("sysctls", pod(securityContext={"sysctls": [{"name": "net.ipv4.tcp_notsent_lowat"}]}), "v1.36", "v1.37"),
    (
        "seccompProfile_baseline",
        {"metadata": {"annotations": {SECCOMP: "unconfined"}}, "spec": {"containers": [{"name": "app"}]}},
        "v1.18",
        "v1.19",
    ),
]


@pytest.mark.parametrize(("check", "manifest", "refusing", "allowing"), CHANGES)
def test_a_version_relaxes_its_check_from_its_release_on(
    check: str, manifest: dict[str, Any], refusing: str, allowing: str
) -> None:
    assert violations(check, manifest, refusing)
    assert violations(check, manifest, allowing) == ()


def test_a_user_namespace_excuses_nobody_from_the_restricted_proc_mount() -> None:
    assert violations("procMount_restricted", IN_USER_NAMESPACE)
    assert "procMount" not in {check.id for check in checks(Level.RESTRICTED, NEWEST)}


VERSIONS = {"latest": NEWEST, "v1.37": NEWEST, "v1.38": NEWEST, "v1.0": Version(0), "v1.24": Version(24)}


@pytest.mark.parametrize("text", VERSIONS)
def test_versions_are_read_as_the_labels_of_namespaces_are(text: str) -> None:
    assert parse_version(text) == VERSIONS[text]


@pytest.mark.parametrize("text", ["", "1.30", "v1.30.1", "v2.0", "v1.030", "Latest", "v1.30\n", "v1.-1"])
def test_what_is_no_version_is_refused_with_the_notation(text: str) -> None:
    with pytest.raises(ValueError, match=r"write v1\.NN, such as v1\.37, or latest"):
        parse_version(text)


@pytest.mark.parametrize(("level", "version"), ALL, ids=str)
def test_validations_are_what_the_api_server_takes(level: Level, version: Version) -> None:
    variables = {item["name"] for item in policy_variables()}
    for item, check in zip(policy_validations(checks(level, version)), checks(level, version), strict=True):
        assert item["reason"] == "Forbidden"
        assert item["message"] == f"{check.id}: {check.message}"
        assert len(item["message"].encode()) < 1024
        assert "\n" not in item["message"], "the API server refuses messages of several lines"
        assert set(re.findall(r"variables\.(\w+)", item["expression"])) <= variables
        assert "variables" not in check.cel, "a check's own expression stands alone"


def test_an_update_is_told_from_a_creation_in_one_condition() -> None:
    (condition,) = match_conditions()
    assert condition["expression"].startswith("oldObject == null || ")


LITERALS = {
    "it's": r"'it\'s'",
    'a "b"': "'a \"b\"'",
    "back\\slash": r"'back\\slash'",
    "two\nlines\r\t": r"'two\nlines\r\t'",
    "\x00\x7f\u2028\u202e": r"'\u0000\u007f\u2028\u202e'",
    "\U000e0001": r"'\U000e0001'",
    "ünïcödé 漢": "'ünïcödé 漢'",
}


@pytest.mark.parametrize("text", LITERALS)
def test_a_literal_holds_any_text(text: str) -> None:
    assert cel_string(text) == LITERALS[text]


@pytest.mark.parametrize("name", ["namespace", "in", "a.b", "a b", "", "x)"])
def test_a_member_that_cel_would_misread_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a member"):
        member("object", name)


WORDS = [
    "metadata",
    "annotations",
    "spec",
    "containers",
    "initContainers",
    "volumes",
    "ports",
    "securityContext",
    "name",
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(metadata=ANYTHING, spec=ANYTHING, host_network=st.booleans())
def test_a_manifest_of_any_shape_is_judged(metadata: Any, spec: Any, host_network: bool) -> None:
    if isinstance(spec, dict) and host_network:
        spec = {**spec, "hostNetwork": True}
    for version in (Version(0), NEWEST):
        for check in checks(Level.RESTRICTED, version):
            assert all(isinstance(path, str) for path in check.violations({"metadata": metadata, "spec": spec}))
