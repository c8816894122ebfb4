"""An Ingress as zones need it: its engine, its hosts, where it answers, and who wrote which of its annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from breakwater.kernel.ownership import MANAGER
from breakwater.kernel.reading import Manifest, Present, Projection, Unknown
from breakwater.kernel.references import GROUP, INGRESS_CLASS, Ref, Subject
from breakwater.kernel.world import World

ROUTE = "Route"
FIELD_MANAGER = f"{MANAGER}/{ROUTE}"
"""One Route writes one Ingress, so that no two zones take fields from each other."""
CLASS = "kubernetes.io/ingress.class"
"""The old way to name a class, from before `spec.ingressClassName`; engines still honour it."""
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
ZONES = f"{GROUP}/zones"
"""On an Ingress, which zone asked for what of ours stands there; see `record`."""
_READ = (ZONES, "nginx.org/", "traefik.ingress.kubernetes.io/", CLASS)


@dataclass(frozen=True, slots=True)
class Ingress:
    """One version of an Ingress.

    Attributes:
        class_name: of its IngressClass; empty where the default one applies.
        annotations: those that some engine of ours reads.
        writers: the field managers of each of these.
        tls: the hosts that `spec.tls` names; an empty one where an entry of it speaks for all of them.
        hosts: each with the first path of its rule; a rule without host is an empty one.
        addresses: where its engine says that it answers.
    """

    namespace: str
    name: str
    uid: str
    deleting: bool
    class_name: str
    annotations: Mapping[str, str]
    writers: Mapping[str, tuple[str, ...]]
    tls: tuple[str, ...]
    hosts: tuple[tuple[str, str], ...]
    addresses: tuple[str, ...]

    @property
    def ours(self) -> frozenset[str]:
        """The annotations that we wrote."""
        return frozenset(key for key, managers in self.writers.items() if FIELD_MANAGER in managers)

    @property
    def insecure(self) -> tuple[str, ...]:
        """The hosts for which `spec.tls` declares no https; one that stands for any host is an empty text."""
        hosts = dict.fromkeys(host for host, _ in self.hosts)
        return tuple(host for host in hosts if not any(_covers(name, host) for name in self.tls))

    @property
    def declares_https(self) -> bool:
        """Whether `spec.tls` does so for any host."""
        return bool(self.tls) and (not self.hosts or len(self.insecure) < len({host for host, _ in self.hosts}))


def _covers(name: str, host: str) -> bool:
    return name in ("", host) or (name.startswith("*.") and host.partition(".")[2] == name[2:])


def reduced(manifest: Manifest) -> Manifest:
    """What is kept while decoding."""
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    names = ("name", "namespace", "uid", "resourceVersion", "labels", "deletionTimestamp")
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key.startswith(_READ)}
    balancer = ((manifest.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return {
        "metadata": {key: metadata[key] for key in names if key in metadata} | {"annotations": annotations},
        "writers": _writers(metadata.get("managedFields")),
        "class": spec.get("ingressClassName") or "",
        "tls": [host for item in spec.get("tls") or () for host in item.get("hosts") or ("",)],
        "hosts": [*map(_host, spec.get("rules") or ()), *([["", "/"]] if spec.get("defaultBackend") else [])],
        "addresses": [item.get("ip") or item.get("hostname") or "" for item in balancer],
    }


def _host(rule: Mapping[str, Any]) -> list[str]:
    paths = (rule.get("http") or {}).get("paths") or ()
    return [rule.get("host") or "", next((str(path["path"]) for path in paths if path.get("path")), "/")]


def _writers(fields: object) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in fields if isinstance(fields, list) else ():
        written = ((item.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {}
        for key in written:
            if key[2:].startswith(_READ):
                found.setdefault(key[2:], []).append(str(item.get("manager")))
    return found


def _ingress(manifest: Manifest) -> Ingress:
    metadata = manifest["metadata"]
    annotations = metadata.get("annotations") or {}
    return Ingress(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        deleting="deletionTimestamp" in metadata,
        class_name=manifest.get("class") or annotations.get(CLASS, ""),
        annotations=annotations,
        writers={key: tuple(managers) for key, managers in (manifest.get("writers") or {}).items()},
        tls=tuple(dict.fromkeys(manifest.get("tls") or ())),
        hosts=tuple(dict.fromkeys((str(host), str(path)) for host, path in manifest.get("hosts") or ())),
        addresses=tuple(address for address in manifest.get("addresses") or () if address),
    )


INGRESS_FACTS: Projection[Ingress] = Projection("ingress", _ingress)


def listed(text: str) -> tuple[str, ...]:
    """The items of an annotation that is a list, as engines read it."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def route_of(namespace: str, ingress: str) -> Subject:
    """The subject that decides on one Ingress."""
    return Subject(ROUTE, namespace, ingress)


def wrote_on(manifest: Manifest) -> bool:
    """Whether something of ours stands on a reduced Ingress."""
    return any(FIELD_MANAGER in managers for managers in (manifest.get("writers") or {}).values())


def _trace(manifest: Manifest) -> Subject | None:
    if not wrote_on(manifest):
        return None
    return route_of(manifest["metadata"]["namespace"], manifest["metadata"]["name"])


TRACE: Projection[Subject | None] = Projection("route-trace", _trace)
"""The Route that has left annotations on an Ingress."""


@dataclass(frozen=True, slots=True)
class _Class:
    controller: str
    default: bool


def _class(manifest: Manifest) -> _Class:
    annotations = manifest["metadata"].get("annotations") or {}
    controller = str((manifest.get("spec") or {}).get("controller", ""))
    return _Class(controller, annotations.get(DEFAULT_CLASS) == "true")


CLASS_FACTS: Projection[_Class] = Projection("ingress-class", _class)


@dataclass(frozen=True, slots=True)
class NoController:
    """Why nobody can tell which engine serves an Ingress."""

    message: str


def controller_of(ingress: Ingress, world: World) -> str | NoController:
    """The name of the controller that serves the Ingress, as its IngressClass tells."""
    if ingress.class_name:
        found = world.get(Ref(INGRESS_CLASS, "", ingress.class_name), CLASS_FACTS)
        if isinstance(found, Present):
            return found.value.controller
        if isinstance(found, Unknown):
            return NoController(f"IngressClass {ingress.class_name} cannot be told: {found.message or found.reason}")
        return NoController(f"IngressClass {ingress.class_name} does not exist; create it, or correct the Ingress")
    classes = world.select(INGRESS_CLASS, CLASS_FACTS)
    if isinstance(classes, Unknown):
        return NoController(f"IngressClasses cannot be told: {classes.message or classes.reason}")
    defaults = [item for _, item in classes.value if item.default] if isinstance(classes, Present) else []
    if len(defaults) == 1:
        return defaults[0].controller
    count = "no" if not defaults else "more than one"
    return NoController(f"set spec.ingressClassName of the Ingress: {count} IngressClass is the default one")
