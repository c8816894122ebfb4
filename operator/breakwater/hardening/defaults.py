"""`spec.podDefaults`: what is missing on a pod, as fields, as paths for people, and as mutations for the API server.

Each default is one row: where it belongs, when a pod has it already (or must not get it), and its value. Nothing that a
pod declares is ever changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from breakwater.hardening.kind import PodDefaults
from breakwater.hardening.standards.cel import cel_string, literals
from breakwater.hardening.standards.rules import CONTAINERS

STARTED: Final = ("containers", "initContainers")
"""The lists whose containers exist when a pod is created."""
_ADMIN: Final = ("SYS_ADMIN", "CAP_SYS_ADMIN")


class Missing(NamedTuple):
    """A field that a pod leaves open.

    Attributes:
        path: below `spec`; a container is its list and its number.
        value: what it is to be.
    """

    path: tuple[str | int, ...]
    value: bool | int | str | tuple[str, ...]

    def __str__(self) -> str:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"spec{place}: {_shown(self.value)}"


def _shown(value: bool | int | str | tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)


def missing(pod: Mapping[str, Any], defaults: PodDefaults) -> tuple[Missing, ...]:
    """The fields that are to be set on this pod."""
    return () if _is_windows(pod) else (*_on_pod(pod, defaults), *_on_containers(pod, defaults))


def changes(pod: Mapping[str, Any], defaults: PodDefaults) -> tuple[str, ...]:
    """The same for people."""
    return tuple(map(str, missing(pod, defaults)))


def is_undecided(pod: Mapping[str, Any], defaults: PodDefaults) -> bool:
    """Whether runAsNonRoot is wanted, the pod says nothing of it, and only an image tells who some container is."""
    if not defaults.run_as_non_root or _is_windows(pod):
        return False
    own = (item.get("runAsNonRoot") for item in _contexts(pod))
    if "runAsNonRoot" in _context(pod["spec"]) or all(value is not None for value in own):
        return False
    users = _users(pod, defaults)
    return None in users and 0 not in users


def _is_windows(pod: Mapping[str, Any]) -> bool:
    return (pod["spec"].get("os") or {}).get("name") == "windows"


def _context(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    return holder.get("securityContext") or {}


def _contexts(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [_context(container) for name in STARTED for container in pod["spec"].get(name) or ()]


def _users(pod: Mapping[str, Any], defaults: PodDefaults) -> list[int | None]:
    """Who each container will run as; None where its image decides."""
    common = _context(pod["spec"]).get("runAsUser", defaults.run_as_user)
    return [context.get("runAsUser", common) for context in _contexts(pod)]


def _on_pod(pod: Mapping[str, Any], defaults: PodDefaults) -> Iterator[Missing]:
    context = _context(pod["spec"])
    profile = defaults.seccomp_profile
    wanted = {
        ("runAsUser",): defaults.run_as_user,
        ("fsGroup",): defaults.fs_group,
        ("runAsNonRoot",): True if defaults.run_as_non_root and all(_users(pod, defaults)) else None,
        ("seccompProfile", "type"): None if profile is None else profile.value,
    }
    for path, value in wanted.items():
        if value is not None and context.get(path[0]) is None:
            yield Missing(("securityContext", *path), value)


def _on_containers(pod: Mapping[str, Any], defaults: PodDefaults) -> Iterator[Missing]:
    for name in STARTED:
        for number, container in enumerate(pod["spec"].get(name) or ()):
            context, place = _context(container), (name, number, "securityContext")
            if defaults.allow_privilege_escalation is False and not _keeps_escalation(context):
                yield Missing((*place, "allowPrivilegeEscalation"), value=False)
            if defaults.drop_capabilities and not (context.get("capabilities") or {}).get("drop"):
                yield Missing((*place, "capabilities", "drop"), defaults.drop_capabilities)


def _keeps_escalation(context: Mapping[str, Any]) -> bool:
    """Whether the container says something of it, or would be refused with it."""
    added = (context.get("capabilities") or {}).get("add") or ()
    declared = context.get("allowPrivilegeEscalation") is not None
    return declared or context.get("privileged") is True or any(name in _ADMIN for name in added)


# --- the same for the API server ----------------------------------------------------------------------------------


def variables(defaults: PodDefaults) -> list[dict[str, str]]:
    """`spec.variables` of the mutating policy."""
    user = defaults.run_as_user or 0
    known = (
        f"{CONTAINERS}.all(container, container.?securityContext.?runAsUser.orValue("
        f"object.spec.?securityContext.?runAsUser.orValue({user})) >= 1)"
    )
    return [{"name": "nonRoot", "expression": known}] if defaults.run_as_non_root else []


def mutations(defaults: PodDefaults, mark: tuple[str, str]) -> list[dict[str, Any]]:
    """`spec.mutations`: one JSON patch for all of it.

    Each mutation costs the API server a pass over the whole pod, and a merge several times as much as a patch; besides,
    `drop` is an atomic list, which only a patch may touch.

    Args:
        defaults: what is to be set.
        mark: an annotation that tells who did it.
    """
    containers = (patches for name in STARTED for patches in _container_patches(name, defaults))
    parts = (_marking(*mark), *_pod_patches(defaults), *containers)
    return [{"patchType": "JSONPatch", "jsonPatch": {"expression": "\n+ ".join(parts)}}]


def _added(path: str, value: str) -> str:
    """One step of the patch; both are expressions. Where something stands at the path, it is replaced."""
    return f"JSONPatch{{op: 'add', path: {path}, value: {value}}}"


def _marking(key: str, value: str) -> str:
    inside = _added(cel_string(f"/metadata/annotations/{key.replace('~', '~0').replace('/', '~1')}"), cel_string(value))
    whole = _added("'/metadata/annotations'", f"{{{cel_string(key)}: {cel_string(value)}}}")
    return f"[has(object.metadata.annotations) ? {inside} : {whole}]"


def _pod_patches(defaults: PodDefaults) -> Iterator[str]:
    values = _pod_values(defaults)
    path, type_ = "/spec/securityContext", "Object.spec.securityContext"
    if values:
        yield f"(has(object.spec.securityContext) ? [] : [{_added(cel_string(path), f'{type_}{{}}')}])"
    for name, value in values.items():
        missing = f"!object.spec.?securityContext.?{name}.hasValue()"
        condition = f"{missing} && variables.nonRoot" if name == "runAsNonRoot" else missing
        yield f"({condition} ? [{_added(cel_string(f'{path}/{name}'), value)}] : [])"


def _pod_values(defaults: PodDefaults) -> dict[str, str]:
    values: dict[str, str] = {}
    if defaults.run_as_user is not None:
        values["runAsUser"] = str(defaults.run_as_user)
    if defaults.fs_group is not None:
        values["fsGroup"] = str(defaults.fs_group)
    if defaults.run_as_non_root:
        values["runAsNonRoot"] = "true"
    if defaults.seccomp_profile is not None:
        profile = cel_string(defaults.seccomp_profile.value)
        values["seccompProfile"] = f"Object.spec.securityContext.seccompProfile{{type: {profile}}}"
    return values


def _container_patches(name: str, defaults: PodDefaults) -> Iterator[str]:
    type_ = f"Object.spec.{name}.securityContext"
    place = f"'/spec/{name}/' + string(number) + '/securityContext"
    wanted: dict[str, str] = {}
    if defaults.allow_privilege_escalation is False:
        wanted["allowPrivilegeEscalation"] = "false"
        yield _each(name, f"{_HAS} && !({_KEEPS_ESCALATION})", _added(f"{place}/allowPrivilegeEscalation'", "false"))
    if defaults.drop_capabilities:
        drop = literals(defaults.drop_capabilities)
        capabilities = wanted["capabilities"] = f"{type_}.capabilities{{drop: {drop}}}"
        part, least = _added(f"{place}/capabilities'", capabilities), _added(f"{place}/capabilities/drop'", drop)
        open_ = f"{_HAS} && size(container.securityContext.?capabilities.?drop.orValue([])) == 0"
        yield _each(name, open_, f"has(container.securityContext.capabilities) ? {least} : {part}")
    if wanted:
        members = ", ".join(f"{member}: {value}" for member, value in wanted.items())
        yield _each(name, f"!{_HAS}", _added(f"{place}'", f"{type_}{{{members}}}"))


_HAS: Final = "has(container.securityContext)"
_KEEPS_ESCALATION: Final = (
    "has(container.securityContext.allowPrivilegeEscalation) || "
    "container.securityContext.?privileged.orValue(false) || "
    "container.securityContext.?capabilities.?add.orValue([])"
    f".exists(capability, capability in {literals(_ADMIN)})"
)


def _each(name: str, condition: str, step: str) -> str:
    """That step for the containers of a list that meet a condition."""
    return f"object.spec.?{name}.orValue([]).transformList(number, container, {condition}, {step})"
