"""Where a probe of a channel goes: the pods of a Service in the channel's own namespace, or a name outside of it.

Addresses come from pods, never from what a user can write into an EndpointSlice: an address counts only where a pod of
the namespace says that it is its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from breakwater.channels.part import Asked
from breakwater.kernel.reading import Manifest, Present, Projection, Unknown
from breakwater.kernel.references import ENDPOINT_SLICE, POD, SERVICE, Ref
from breakwater.probes.request import MOST_ADDRESSES, Addresses, Hostname, Target, is_dns_name, is_ip

SERVICE_NAME = "kubernetes.io/service-name"
ENDED = ("Succeeded", "Failed")
# A Service of thousands of pods must not make its channel read them all.
MOST_READ = 4 * MOST_ADDRESSES


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


@dataclass(frozen=True, slots=True)
class PodFacts:
    """Addresses that are its own: not the node's, and not those of a pod that has ended, which another may have."""

    addresses: frozenset[str] = frozenset()
    on_host_network: bool = False


def _pod(manifest: Manifest) -> PodFacts:
    status = manifest.get("status") or {}
    if status.get("phase") in ENDED:
        return PodFacts()
    if (manifest.get("spec") or {}).get("hostNetwork"):
        return PodFacts(on_host_network=True)
    return PodFacts(frozenset(str(item["ip"]) for item in status.get("podIPs") or () if item.get("ip")))


SERVICE_FACTS: Projection[ServiceFacts] = Projection("service", _service)
SLICE_FACTS: Projection[SliceFacts] = Projection("slice", _slice)
POD_FACTS: Projection[PodFacts] = Projection("pod", _pod)


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
    reached = _reached(asked, found)
    if isinstance(reached, Unknown):
        return NoDestination(reached.reason, reached.message)
    ports = {number for item in found for name, number in item.ports if name == names[0]}
    if not reached.proven or not ports:
        return NoDestination("NoEndpoints", _why_none(asked, service, reached, port))
    chosen = tuple(sorted(reached.proven)[:MOST_ADDRESSES])
    return Destination(Addresses(chosen, asked.spec.endpoint.host, reached.claimed), min(ports))


@dataclass(frozen=True, slots=True)
class _Reached:
    """The endpoints of a Service: how many addresses they claim, which of them are proven to be those of pods.

    `on_host_network` says that a pod shares its node's network.
    """

    claimed: int
    proven: frozenset[str]
    on_host_network: bool


def _reached(asked: Asked, slices: Iterable[SliceFacts]) -> _Reached | Unknown:
    """What nobody can tell about one pod is not told about the Service."""
    endpoints = [endpoint for item in slices for endpoint in item.endpoints]
    proven: set[str] = set()
    on_host_network = False
    for pod, addresses in endpoints[:MOST_READ]:
        reading = asked.world.get(Ref(POD, asked.namespace, pod), POD_FACTS)
        if isinstance(reading, Unknown):
            return reading
        if isinstance(reading, Present):
            proven |= reading.value.addresses.intersection(addresses)
            on_host_network |= reading.value.on_host_network
    claimed = {address for _, addresses in endpoints for address in addresses}
    return _Reached(len(claimed), frozenset(proven), on_host_network)


def _why_none(asked: Asked, service: str, reached: _Reached, port: int) -> str:
    if reached.proven:
        return (
            f"the ready pods of Service {service} do not listen on what its port {port} leads to; correct the port's "
            "targetPort, or name that port in the pods"
        )
    if reached.on_host_network:
        return (
            f"the pods of Service {service} use the network of their node (hostNetwork), whose addresses are not "
            "probed; give them a network of their own, or name a host outside in spec.endpoint.host and allow its "
            "address with --probe-allow"
        )
    return f"Service {service} has no ready pods in namespace {asked.namespace}; start them"
