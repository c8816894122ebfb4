"""The Baseline checks: known privilege escalations are prevented (k8s.io/pod-security-admission, policy/check_*.go)."""

from __future__ import annotations

from typing import Final

from breakwater.hardening.standards.level import Level
from breakwater.hardening.standards.revision import History, Revision
from breakwater.hardening.standards.rules import (
    ContainerAnnotations,
    OnContainers,
    OnPart,
    Rule,
    Together,
    on_spec,
    pod_and_containers,
)
from breakwater.hardening.standards.shared import (
    EVERYWHERE,
    POD_TOO,
    PROFILE_TYPE,
    PROFILES,
    SECCOMP,
    except_in_user_namespaces,
    listed,
)
from breakwater.hardening.standards.terms import (
    AllOf,
    AnyOf,
    At,
    Each,
    EachNamed,
    Entry,
    Is,
    OneOf,
    StartsWith,
    Term,
    Without,
)

CAPABILITIES: Final = (
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
)

APPARMOR_ANNOTATION: Final = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD_ANNOTATION: Final = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER_ANNOTATION: Final = "container.seccomp.security.alpha.kubernetes.io/"

_SYSCTLS: Final[dict[int, tuple[str, ...]]] = {
    0: (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_syncookies",
    ),
    27: ("net.ipv4.ip_local_reserved_ports",),
    29: (
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
    ),
    32: ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
    37: ("net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_slow_start_after_idle"),
}
"""Safe sysctls by the minor release that added them."""

_SELINUX_TYPES: Final[dict[int, tuple[str, ...]]] = {
    0: ("container_t", "container_init_t", "container_kvm_t"),
    31: ("container_engine_t",),
}

_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS: Final = ("lifecycle.postStart", "lifecycle.preStop")
_HOSTS: Final = tuple(
    At(f"{holder}.{action}.host", Is("")) for holder in (*_PROBES, *_HANDLERS) for action in ("httpGet", "tcpSocket")
)

DEFAULT_PROC: Final = OnContainers(At("securityContext.procMount", Is("Default")))
DEFAULT_PROC_MESSAGE: Final = f"securityContext.procMount must be Default or absent {EVERYWHERE}; remove it."


def _baseline(name: str, *revisions: Revision) -> History:
    return History(name, Level.BASELINE, revisions)


def _until(table: dict[int, tuple[str, ...]], since: int) -> tuple[str, ...]:
    return tuple(value for added, values in table.items() if added <= since for value in values)


def _app_armor() -> Rule:
    fields = pod_and_containers(At("securityContext.appArmorProfile", PROFILE_TYPE))
    value = AnyOf((OneOf(("", "runtime/default")), StartsWith("localhost/")))
    return Together((fields, OnPart("metadata", At("annotations", EachNamed(APPARMOR_ANNOTATION, value)))))


def _seccomp_annotations() -> Rule:
    value = AnyOf((OneOf(("runtime/default", "docker/default")), StartsWith("localhost/")))
    pod = OnPart("metadata", At("annotations", Entry(SECCOMP_POD_ANNOTATION, value)))
    return Together((pod, ContainerAnnotations(SECCOMP_CONTAINER_ANNOTATION, value)))


def _selinux(since: int) -> Revision:
    types = _until(_SELINUX_TYPES, since)
    options: Term = AllOf((At("type", OneOf(("", *types))), At("user", Is("")), At("role", Is(""))))
    return Revision(
        since,
        pod_and_containers(At("securityContext.seLinuxOptions", options)),
        f"securityContext.seLinuxOptions {POD_TOO} may name only the types {listed(types)}, and no user and no role; "
        "remove the others.",
    )


def _sysctls(since: int) -> Revision:
    allowed = _until(_SYSCTLS, since)
    return Revision(
        since,
        on_spec(At("securityContext.sysctls", Each("sysctl", At("name", OneOf(allowed), required=True)))),
        f"spec.securityContext.sysctls may set only {listed(allowed)}; remove the others.",
    )


def _without_host_process() -> Rule:
    return pod_and_containers(At("securityContext.windowsOptions.hostProcess", Is(wanted=False)))


BASELINE: Final = (
    _baseline(
        "appArmorProfile",
        Revision(
            0,
            _app_armor(),
            f"securityContext.appArmorProfile.type {POD_TOO} must be {' or '.join(PROFILES)} or absent, annotations "
            f"{APPARMOR_ANNOTATION}* runtime/default or localhost/*; remove what sets Unconfined.",
        ),
    ),
    _baseline(
        "capabilities_baseline",
        Revision(
            0,
            OnContainers(At("securityContext.capabilities.add", Each("capability", OneOf(CAPABILITIES)))),
            f"securityContext.capabilities.add {EVERYWHERE} may hold only {listed(CAPABILITIES)}; remove the others.",
        ),
    ),
    _baseline(
        "hostNamespaces",
        Revision(
            0,
            on_spec(AllOf(tuple(At(name, Is(wanted=False)) for name in ("hostNetwork", "hostPID", "hostIPC")))),
            "spec.hostNetwork, spec.hostPID and spec.hostIPC must be false or absent; remove them.",
        ),
    ),
    _baseline(
        "hostPathVolumes",
        Revision(
            0,
            on_spec(At("volumes", Each("volume", Without("hostPath")))),
            "spec.volumes must hold no hostPath; use a persistentVolumeClaim, emptyDir or another kind of volume.",
        ),
    ),
    _baseline(
        "hostPorts",
        Revision(
            0,
            OnContainers(At("ports", Each("port", At("hostPort", Is(0))))),
            f"ports.hostPort {EVERYWHERE} must be 0 or absent; remove it and reach the pod through a Service.",
        ),
    ),
    _baseline(
        "hostProbesAndHostLifecycle",
        Revision(
            34,
            OnContainers(AllOf(_HOSTS)),
            f"httpGet.host and tcpSocket.host in probes and lifecycle handlers {EVERYWHERE} must be empty or absent; "
            "remove them: the pod itself is then asked.",
        ),
    ),
    _baseline(
        "privileged",
        Revision(
            0,
            OnContainers(At("securityContext.privileged", Is(wanted=False))),
            f"securityContext.privileged must be false or absent {EVERYWHERE}; remove it.",
        ),
    ),
    _baseline(
        "procMount",
        Revision(0, DEFAULT_PROC, DEFAULT_PROC_MESSAGE),
        Revision(
            35,
            except_in_user_namespaces(DEFAULT_PROC),
            f"securityContext.procMount must be Default or absent {EVERYWHERE}, unless spec.hostUsers is false; remove "
            "it, or set spec.hostUsers to false.",
        ),
    ),
    _baseline("seLinuxOptions", *map(_selinux, _SELINUX_TYPES)),
    _baseline(
        "seccompProfile_baseline",
        Revision(
            0,
            _seccomp_annotations(),
            f"annotations {SECCOMP_POD_ANNOTATION} and {SECCOMP_CONTAINER_ANNOTATION}* must be runtime/default, "
            "docker/default or localhost/*; remove them.",
        ),
        Revision(
            19,
            pod_and_containers(At(SECCOMP, PROFILE_TYPE)),
            f"{SECCOMP}.type {POD_TOO} must be {' or '.join(PROFILES)} or absent; remove what sets Unconfined.",
        ),
    ),
    _baseline("sysctls", *map(_sysctls, _SYSCTLS)),
    _baseline(
        "windowsHostProcess",
        Revision(
            0,
            _without_host_process(),
            f"securityContext.windowsOptions.hostProcess {POD_TOO} must be false or absent; remove it.",
        ),
    ),
)
