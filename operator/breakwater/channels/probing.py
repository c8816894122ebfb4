"""Runs the probes that plans ask for, with what the operator knows of its surroundings right now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from ipaddress import ip_address

from breakwater.channels.probes.address import Address, AddressContext
from breakwater.channels.probes.measure import measure
from breakwater.channels.probes.reasons import MeasurementResult
from breakwater.channels.probes.request import NegativeProbe, TlsProbe
from breakwater.kernel.reading import Manifest, Present, Projection, project
from breakwater.kernel.references import NODE, SERVICE, Ref
from breakwater.kernel.world import Source


def _addresses(texts: Iterable[str]) -> frozenset[Address]:
    found: set[Address] = set()
    for text in texts:
        try:
            found.add(ip_address(text))
        except ValueError:
            continue  # nodes have host names among their addresses
    return frozenset(found)


def _node_addresses(manifest: Manifest) -> frozenset[Address]:
    addresses = (manifest.get("status") or {}).get("addresses") or ()
    return _addresses(str(item.get("address", "")) for item in addresses)


def _cluster_ips(manifest: Manifest) -> frozenset[Address]:
    return _addresses((manifest.get("spec") or {}).get("clusterIPs") or ())


NODE_ADDRESSES: Projection[frozenset[Address]] = Projection("node-addresses", _node_addresses)
CLUSTER_IPS: Projection[frozenset[Address]] = Projection("cluster-ips", _cluster_ips)
NONE: frozenset[Address] = frozenset()
API_SERVICE = Ref(SERVICE, "default", "kubernetes")


async def probe(request: TlsProbe | NegativeProbe, source: Source, now: datetime) -> MeasurementResult:
    """One measurement; see `probes.measure`."""
    return await measure(request, _surroundings(source), now)


def _surroundings(source: Source) -> AddressContext:
    settings = source.settings
    service = project(source.look_up(API_SERVICE), CLUSTER_IPS)
    api_server = service.value if isinstance(service, Present) else NONE
    listing = source.listing(NODE, None)
    nodes = listing.value if isinstance(listing, Present) else ()
    return AddressContext(
        allow=settings.probe_allow,
        api_server=api_server | _addresses(settings.api_server),
        nodes=NONE.union(*(entry.project(NODE_ADDRESSES) for _, entry in nodes)),
        own=_addresses(settings.own_addresses),
    )
