"""What the operator knows of its surroundings right now, for the judgement where a probe may go."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from breakwater.kernel.reading import Manifest, Present, Projection, Unknown, project
from breakwater.kernel.references import ENDPOINT_SLICE, NODE, SERVICE, Ref
from breakwater.kernel.world import Source
from breakwater.probes.address import Address, AddressContext


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


def _endpoints(manifest: Manifest) -> frozenset[Address]:
    endpoints = manifest.get("endpoints") or ()
    return _addresses(str(address) for endpoint in endpoints for address in endpoint.get("addresses") or ())


NODE_ADDRESSES: Projection[frozenset[Address]] = Projection("node-addresses", _node_addresses)
CLUSTER_IPS: Projection[frozenset[Address]] = Projection("cluster-ips", _cluster_ips)
ENDPOINTS: Projection[frozenset[Address]] = Projection("endpoint-addresses", _endpoints)
NONE: frozenset[Address] = frozenset()
API_SERVICE = Ref(SERVICE, "default", "kubernetes")
# The API server keeps its own endpoints in a slice by the name of its Service.
API_ENDPOINTS = Ref(ENDPOINT_SLICE, "default", "kubernetes")


def surroundings(source: Source) -> AddressContext:
    """What is known of the operator's surroundings; what nobody can tell is said to be so, never taken for nothing."""
    settings = source.settings
    service = project(source.look_up(API_SERVICE), CLUSTER_IPS)
    endpoints = project(source.look_up(API_ENDPOINTS), ENDPOINTS)
    listing = source.listing(NODE, None)
    nodes = listing.value if isinstance(listing, Present) else ()
    api_server = (reading.value for reading in (service, endpoints) if isinstance(reading, Present))
    return AddressContext(
        allow=settings.probe_allow,
        api_server=_addresses(settings.api_server).union(*api_server),
        nodes=NONE.union(*(entry.project(NODE_ADDRESSES) for _, entry in nodes)),
        own=_addresses(settings.own_addresses),
        untold=any(isinstance(reading, Unknown) for reading in (service, endpoints, listing)),
    )
