from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from breakwater.kernel.references import NODE, Ref, Resource
from breakwater.probes.surroundings import API_ENDPOINTS, API_SERVICE, surroundings
from tests.unit.worlds import MemoryWorld

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "kubernetes", "namespace": "default"},
    "spec": {"clusterIPs": ["10.96.0.1"]},
}
ENDPOINTS = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
    "endpoints": [{"addresses": ["198.51.100.7"]}, {"addresses": ["198.51.100.8"]}],
}
MACHINE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "machine"},
    "status": {"addresses": [{"type": "InternalIP", "address": "10.1.0.7"}, {"type": "Hostname", "address": "m"}]},
}


def test_the_api_servers_endpoints_are_protected_beside_the_address_of_its_service() -> None:
    known = surroundings(MemoryWorld(SERVICE, ENDPOINTS, MACHINE))
    assert known.api_server == {ip_address(text) for text in ("10.96.0.1", "198.51.100.7", "198.51.100.8")}
    assert known.nodes == {ip_address("10.1.0.7")}
    assert not known.untold


@pytest.mark.parametrize("hidden", [NODE, API_SERVICE, API_ENDPOINTS])
def test_what_cannot_be_read_of_nodes_and_api_server_is_not_taken_for_nothing(hidden: Ref | Resource) -> None:
    world = MemoryWorld(SERVICE, ENDPOINTS, MACHINE)
    world.obscure(hidden, "Forbidden")
    assert surroundings(world).untold
