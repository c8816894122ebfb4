"""The Restricted checks: current best practice for pods (k8s.io/pod-security-admission, policy/check_*.go)."""

from __future__ import annotations

from typing import Final

from breakwater.hardening.standards.baseline import DEFAULT_PROC, DEFAULT_PROC_MESSAGE
from breakwater.hardening.standards.level import Level
from breakwater.hardening.standards.revision import History, Revision
from breakwater.hardening.standards.rules import OnContainers, PodOrContainers, Rule, on_spec, pod_and_containers
from breakwater.hardening.standards.shared import (
    EVERYWHERE,
    POD_TOO,
    PROFILE_TYPE,
    PROFILES,
    SECCOMP,
    except_in_user_namespaces,
    except_on_windows,
    listed,
)
from breakwater.hardening.standards.terms import AllOf, At, Contains, Each, HasOneOf, Is, IsNot

_VOLUMES: Final = HasOneOf(
    ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
    newer=("image",),
    common=("name",),
)

_NO_ESCALATION: Final = OnContainers(At("securityContext.allowPrivilegeEscalation", Is(wanted=False), required=True))

_CAPABILITIES: Final = OnContainers(
    AllOf(
        (
            At("securityContext.capabilities.drop", Contains("ALL"), required=True),
            At("securityContext.capabilities.add", Each("capability", Is("NET_BIND_SERVICE"))),
        )
    )
)

_NON_ROOT: Final = PodOrContainers("securityContext.runAsNonRoot", Is(wanted=True))
_USER: Final = pod_and_containers(At("securityContext.runAsUser", IsNot(0)))
_SECCOMP: Final = PodOrContainers(SECCOMP, PROFILE_TYPE)

_BUT_IN_USER_NAMESPACES: Final = "Pods with spec.hostUsers false are excused."


def _restricted(
    name: str, rule: Rule, message: str, *, since: int, windows_since: int = 0, overrides: str = ""
) -> History:
    """A Restricted check, from whose beginning pods for Windows may be excused."""
    revisions = [Revision(since, rule, message)]
    if windows_since:
        excused = f"{message} Pods with spec.os.name windows are excused."
        revisions.append(Revision(windows_since, except_on_windows(rule), excused))
    return History(name, Level.RESTRICTED, tuple(revisions), overrides)


def _of_users(name: str, rule: Rule, message: str, *, since: int) -> History:
    """A check of who containers run as; in a user namespace that is nobody the node knows."""
    relaxed = Revision(35, except_in_user_namespaces(rule), f"{message} {_BUT_IN_USER_NAMESPACES}")
    return History(name, Level.RESTRICTED, (Revision(since, rule, message), relaxed))


RESTRICTED: Final = (
    _restricted(
        "allowPrivilegeEscalation",
        _NO_ESCALATION,
        f"securityContext.allowPrivilegeEscalation must be false {EVERYWHERE}; set it.",
        since=8,
        windows_since=25,
    ),
    _restricted(
        "capabilities_restricted",
        _CAPABILITIES,
        f"securityContext.capabilities {EVERYWHERE} must drop ALL and may add only NET_BIND_SERVICE; set drop to "
        "[ALL] and remove the others from add.",
        since=22,
        windows_since=25,
        overrides="capabilities_baseline",
    ),
    _restricted("procMount_restricted", DEFAULT_PROC, DEFAULT_PROC_MESSAGE, since=35, overrides="procMount"),
    _restricted(
        "restrictedVolumes",
        on_spec(At("volumes", Each("volume", _VOLUMES))),
        f"spec.volumes may be only of the kinds {listed((*_VOLUMES.members, *_VOLUMES.newer))}; replace the others, by "
        "a persistentVolumeClaim where data must stay.",
        since=0,
        overrides="hostPathVolumes",
    ),
    _of_users(
        "runAsNonRoot",
        _NON_ROOT,
        "securityContext.runAsNonRoot must be true on the pod or in every one of containers, initContainers and "
        "ephemeralContainers, and false nowhere; set it on the pod.",
        since=0,
    ),
    _of_users(
        "runAsUser",
        _USER,
        f"securityContext.runAsUser {POD_TOO} must not be 0; set another user or remove it.",
        since=23,
    ),
    _restricted(
        "seccompProfile_restricted",
        _SECCOMP,
        f"{SECCOMP}.type must be {' or '.join(PROFILES)} on the pod or in every one of containers, initContainers and "
        "ephemeralContainers, and nothing else anywhere; set it to RuntimeDefault on the pod.",
        since=19,
        windows_since=25,
        overrides="seccompProfile_baseline",
    ),
)
