"""Where a probe of a channel goes: the pods of a Service in the channel's own namespace, or a name outside of it.

Addresses come from pods, never from what a user can write into an EndpointSlice: an address counts only where a pod of
the namespace says that it is its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from breakwater.channels.part import Asked
from breakwater.channels.probes.request import MOST_ADDRESSES, Addresses, Hostname, Target, is_dns_name, is_ip
from breakwater.kernel.reading import Manifest, Present, Projection, Unknown
from breakwater.kernel.references import ENDPOINT_SLICE, POD, SERVICE, Ref

SERVICE_NAME = "kubernetes.io/service-name"
ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to connect."""

    target: Target
    port: int


@dataclass(frozen=True, slots=True)
class NoDestination:
    """Why there is nowhere to connect to."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What of a Service decides on the way to its pods: its ports by number, each with the name of its slice port."""

    external_name: str
    ports: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class SliceFacts:
    """Ready endpoints of one slice: the pods they name with the addresses they claim, and ports by name."""

    service: str
    endpoints: tuple[tuple[str, tuple[str, ...]], ...]
    ports: tuple[tuple[str, int], ...]


def _service(manifest: Manifest) -> ServiceFacts:
    spec = manifest.get("spec") or {}
    external = spec.get("externalName", "") if spec.get("type") == "ExternalName" else ""
    ports = tuple((int(port["port"]), str(port.get("name", ""))) for port in spec.get("ports") or ())
    return ServiceFacts(external, ports)


def _slice(manifest: Manifest) -> SliceFacts:
    endpoints = tuple(
        (str(endpoint["targetRef"].get("name", "")), tuple(endpoint.get("addresses") or ()))
        for endpoint in manifest.get("endpoints") or ()
        if _is_ready_pod(endpoint)
    )
    ports = tuple(
        (str(port.get("name") or ""), int(port["port"])) for port in manifest.get("ports") or () if port.get("port")
    )
    return SliceFacts((manifest["metadata"].get("labels") or {}).get(SERVICE_NAME, ""), endpoints, ports)


def _is_ready_pod(endpoint: Mapping[str, Any]) -> bool:
    ready = (endpoint.get("conditions") or {}).get("ready")
    return ready is not False and (endpoint.get("targetRef") or {}).get("kind") == "Pod"


def _pod_addresses(manifest: Manifest) -> frozenset[str]:
    """The addresses that are its own: not the node's, and not those of a pod that has ended, which another may have."""
    status = manifest.get("status") or {}
    if (manifest.get("spec") or {}).get("hostNetwork") or status.get("phase") in ENDED:
        return frozenset()
    return frozenset(str(item["ip"]) for item in status.get("podIPs") or () if item.get("ip"))


SERVICE_FACTS: Projection[ServiceFacts] = Projection("service", _service)
SLICE_FACTS: Projection[SliceFacts] = Projection("slice", _slice)
POD_ADDRESSES: Projection[frozenset[str]] = Projection("pod-addresses", _pod_addresses)


@dataclass(frozen=True, slots=True)
class _OfService:
    """Selects the slices of one Service."""

    name: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        return labels.get(SERVICE_NAME) == self.name


def destination(asked: Asked) -> Destination | NoDestination:
    """Where to connect for this channel."""
    host, port = asked.spec.endpoint.host, asked.spec.port
    service = own_service(host, asked.namespace, asked.world.settings.cluster_domain)
    if service is None:
        return _outside(host, port)
    reading = asked.world.get(Ref(SERVICE, asked.namespace, service), SERVICE_FACTS)
    if isinstance(reading, Unknown):
        return NoDestination(reading.reason, reading.message)
    if not isinstance(reading, Present):
        message = f"spec.endpoint.host: Service {service} does not exist in namespace {asked.namespace}; create it"
        return NoDestination("ServiceNotFound", message)
    if reading.value.external_name:
        return _outside(reading.value.external_name, port)
    return _pods(asked, service, reading.value, port)


def own_service(host: str, namespace: str, domain: str) -> str | None:
    """The Service of the namespace that a host name means, None where it means something else."""
    if is_ip(host):
        return None
    labels = host.split(".")
    if len(labels) == 1:
        return host
    suffixes = ([namespace, "svc"], [namespace, "svc", *domain.split(".")], [namespace])
    return labels[0] if labels[1:] in suffixes else None


def _outside(host: str, port: int) -> Destination | NoDestination:
    name = host.removesuffix(".")
    if not (is_dns_name(name) or is_ip(name)):
        return NoDestination("NotMeasured", "spec.endpoint.host leads to no DNS name or IP address; name another host")
    return Destination(Hostname(name), port)


def _pods(asked: Asked, service: str, facts: ServiceFacts, port: int) -> Destination | NoDestination:
    names = [name for number, name in facts.ports if number == port]
    if not names:
        known = ", ".join(str(number) for number, _ in facts.ports) or "none"
        return NoDestination(
            "PortNotFound", f"spec.endpoint.port: Service {service} has no port {port} (it has: {known})"
        )
    slices = asked.world.select(ENDPOINT_SLICE, SLICE_FACTS, selector=_OfService(service), namespace=asked.namespace)
    if isinstance(slices, Unknown):
        return NoDestination(slices.reason, slices.message)
    found = [item for _, item in slices.value] if isinstance(slices, Present) else []
    addresses = sorted({address for item in found for address in _proven(asked, item)})
    ports = {number for item in found for name, number in item.ports if name == names[0]}
    if not addresses or not ports:
        return NoDestination(
            "NoEndpoints", f"Service {service} has no ready pods in namespace {asked.namespace}; start them"
        )
    return Destination(Addresses(tuple(addresses[:MOST_ADDRESSES]), asked.spec.endpoint.host), min(ports))


def _proven(asked: Asked, item: SliceFacts) -> list[str]:
    proven: list[str] = []
    for pod, addresses in item.endpoints[: 4 * MOST_ADDRESSES]:
        reading = asked.world.get(Ref(POD, asked.namespace, pod), POD_ADDRESSES)
        if isinstance(reading, Present):
            proven.extend(address for address in addresses if address in reading.value)
    return proven
