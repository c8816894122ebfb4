"""Runs the probes that plans ask for, with what the operator knows of its surroundings right now."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address

from breakwater.channels.probes.address import Address, AddressContext
from breakwater.channels.probes.measure import measure
from breakwater.channels.probes.reasons import MeasurementResult
from breakwater.channels.probes.request import NegativeProbe, TlsProbe
from breakwater.kernel.reading import Manifest, Present, Projection, project
from breakwater.kernel.references import NODE, SERVICE, Ref
from breakwater.kernel.world import Source


def _node_addresses(manifest: Manifest) -> frozenset[str]:
    addresses = (manifest.get("status") or {}).get("addresses") or ()
    return frozenset(str(item.get("address", "")) for item in addresses)


NODE_ADDRESSES: Projection[frozenset[str]] = Projection("node-addresses", _node_addresses)


def _cluster_ips(manifest: Manifest) -> frozenset[str]:
    return frozenset((manifest.get("spec") or {}).get("clusterIPs") or ())


CLUSTER_IPS: Projection[frozenset[str]] = Projection("cluster-ips", _cluster_ips)
NONE: frozenset[str] = frozenset()
API_SERVICE = Ref(SERVICE, "default", "kubernetes")


async def probe(request: TlsProbe | NegativeProbe, source: Source, now: datetime) -> MeasurementResult:
    """One measurement; see `probes.measure`."""
    return await measure(request, _surroundings(source), now)


def _surroundings(source: Source) -> AddressContext:
    settings = source.settings
    service = source.look_up(API_SERVICE)
    reading = project(service, CLUSTER_IPS)
    cluster_ips = reading.value if isinstance(reading, Present) else NONE
    nodes: set[str] = set()
    listing = source.listing(NODE, None)
    for _, entry in listing.value if isinstance(listing, Present) else ():
        addresses: frozenset[str] = entry.project(NODE_ADDRESSES)
        nodes |= addresses
    return AddressContext(
        allow=settings.probe_allow,
        api_server=_addresses(cluster_ips | settings.api_server),
        nodes=_addresses(nodes),
        own=_addresses(settings.own_addresses),
    )


def _addresses(texts: frozenset[str] | set[str]) -> frozenset[Address]:
    found: set[Address] = set()
    for text in texts:
        try:
            found.add(ip_address(text))
        except ValueError:
            continue  # nodes have host names among their addresses
    return frozenset(found)
