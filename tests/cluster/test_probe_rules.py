"""Where probes go and where not, and what they show to whom, end to end through the operator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from tests.cluster.harness import OperatorProcess, channel, conditions, install
from tests.cluster.ledger import namespace
from tests.cluster.listening import Door, door, listening
from tests.controlplane import ControlPlane, wait_until

HOME, OTHER = "home", "other"
WIDE = "126.0.0.0/7"
"""A network around loopback that does not name it."""
POD_ADDRESS, OTHER_ADDRESS, NODE_ADDRESS = "192.0.2.10", "192.0.2.20", "192.0.2.50"

FOREIGN = "it is no Service or pod of the channel's own namespace"
LOOPBACK = "it is a loopback address"
LINK_LOCAL = "it is a link-local address"
METADATA = "cloud providers serve machine metadata there"
NODE = "it is the address of a node"


class Place(NamedTuple):
    """An endpoint that must not be probed: why not, without any allowance and with one that does not name it."""

    host: str
    plain: str
    wide: str = ""
    reason: str = "Refused"


NO_ENDPOINTS = "has no ready pods in namespace home; start them"
HOST_NETWORK = "use the network of their node (hostNetwork)"
PLACES: dict[str, Place] = {
    "loopback": Place("127.0.0.1", FOREIGN, LOOPBACK),
    "loopback-elsewhere": Place("127.8.9.1", FOREIGN, LOOPBACK),
    "loopback-six": Place("::1", FOREIGN, LOOPBACK),
    "link-local": Place("169.254.7.7", FOREIGN, LINK_LOCAL),
    "link-local-six": Place("fe80::1", FOREIGN, LINK_LOCAL),
    "metadata": Place("169.254.169.254", FOREIGN, METADATA),
    "translated-loopback": Place("64:ff9b::7f00:1", FOREIGN, LOOPBACK),
    "api-server": Place("API", FOREIGN, LOOPBACK),  # where the Services of this control plane lie
    "node": Place(NODE_ADDRESS, FOREIGN, NODE),
    "documentation": Place("192.0.2.77", FOREIGN, FOREIGN),
    "api-server-by-name": Place("kubernetes.default.svc", FOREIGN),
    "service-of-others": Place(f"victim.{OTHER}.svc", FOREIGN),
    "service-of-others-short": Place(f"victim.{OTHER}", FOREIGN),
    "service-of-others-long": Place(f"victim.{OTHER}.svc.cluster.local", FOREIGN),
    "pod-of-others": Place(f"pod.victim.{OTHER}.svc", FOREIGN),
    "outside": Place("db.example.com", FOREIGN),
    "alias-metadata-name": Place("alias-metadata-name.home.svc", FOREIGN),
    "alias-service-of-others": Place("alias-service-of-others", FOREIGN),
    "alias-loopback": Place("alias-loopback.home", FOREIGN, LOOPBACK),
    "alias-metadata": Place("alias-metadata.home.svc.cluster.local", FOREIGN, METADATA),
    "localhost": Place("localhost", "Service localhost does not exist", "Service localhost", "ServiceNotFound"),
    "slice-without-pod": Place("slice-without-pod", NO_ENDPOINTS, NO_ENDPOINTS, "NoEndpoints"),
    "slice-of-no-pod": Place("slice-of-no-pod", NO_ENDPOINTS, NO_ENDPOINTS, "NoEndpoints"),
    "slice-beside-pod": Place("slice-beside-pod", NO_ENDPOINTS, NO_ENDPOINTS, "NoEndpoints"),
    "slice-of-others-pod": Place("slice-of-others-pod", NO_ENDPOINTS, NO_ENDPOINTS, "NoEndpoints"),
    "slice-of-ended-pod": Place("slice-of-ended-pod", NO_ENDPOINTS, NO_ENDPOINTS, "NoEndpoints"),
    "slice-of-failed-pod": Place("slice-of-failed-pod", NO_ENDPOINTS, NO_ENDPOINTS, "NoEndpoints"),
    "slice-of-host-pod": Place("slice-of-host-pod", HOST_NETWORK, HOST_NETWORK, "NoEndpoints"),
    # What is proven to be a pod of the namespace is followed, and then judged like anything else.
    "slice-of-pod-on-node-address": Place("slice-of-pod-on-node-address", NODE, NODE),
}
ALIASES = {
    "alias-metadata-name": "metadata.google.internal",
    "alias-service-of-others": f"victim.{OTHER}.svc.cluster.local",
    "alias-loopback": "127.0.0.1",
    "alias-metadata": "169.254.169.254",
}
PODS: dict[tuple[str, str], dict[str, Any]] = {
    (HOME, "beside"): {"ip": OTHER_ADDRESS, "phase": "Running"},
    (HOME, "ended"): {"ip": POD_ADDRESS, "phase": "Succeeded"},
    (HOME, "failed"): {"ip": POD_ADDRESS, "phase": "Failed"},
    (HOME, "host"): {"ip": POD_ADDRESS, "phase": "Running", "host": True},
    (HOME, "on-node"): {"ip": NODE_ADDRESS, "phase": "Running"},
    (OTHER, "victim"): {"ip": POD_ADDRESS, "phase": "Running"},
}
SLICES: dict[str, tuple[str, dict[str, str] | None]] = {
    "slice-without-pod": (POD_ADDRESS, None),
    "slice-of-no-pod": (POD_ADDRESS, {"name": "nobody", "namespace": HOME}),
    "slice-beside-pod": (POD_ADDRESS, {"name": "beside", "namespace": HOME}),
    "slice-of-others-pod": (POD_ADDRESS, {"name": "victim", "namespace": OTHER}),
    "slice-of-ended-pod": (POD_ADDRESS, {"name": "ended", "namespace": HOME}),
    "slice-of-failed-pod": (POD_ADDRESS, {"name": "failed", "namespace": HOME}),
    "slice-of-host-pod": (POD_ADDRESS, {"name": "host", "namespace": HOME}),
    "slice-of-pod-on-node-address": (NODE_ADDRESS, {"name": "on-node", "namespace": HOME}),
}


def _make_pods(cluster: ControlPlane) -> None:
    for (place, name), pod in PODS.items():
        spec: dict[str, Any] = {"containers": [{"name": "c", "image": "none.invalid/none"}]}
        if pod.get("host"):
            spec |= {"hostNetwork": True}
        metadata = {"name": name, "namespace": place}
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        status = {"phase": pod["phase"], "podIP": pod["ip"], "podIPs": [{"ip": pod["ip"]}]}
        if pod.get("host"):
            status |= {"hostIP": pod["ip"], "hostIPs": [{"ip": pod["ip"]}]}
        _set_status(cluster, f"pod/{name}", status, "-n", place)
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "machine"}})
    _set_status(cluster, "node/machine", {"addresses": [{"type": "InternalIP", "address": NODE_ADDRESS}]})


def _set_status(cluster: ControlPlane, what: str, status: Mapping[str, Any], *place: str) -> None:
    cluster.kubectl("patch", what, *place, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def _services(port: int) -> list[dict[str, Any]]:
    def service(name: str, **spec: Any) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": HOME}, "spec": spec}

    aliases = [service(name, type="ExternalName", externalName=target) for name, target in ALIASES.items()]
    ports = [{"name": "tls", "port": port}]
    return aliases + [service(name, clusterIP="None", ports=ports) for name in SLICES]


def _slices(port: int) -> list[dict[str, Any]]:
    made = []
    for name, (address, pod) in SLICES.items():
        endpoint: dict[str, Any] = {"addresses": [address], "conditions": {"ready": True}}
        if pod:
            endpoint |= {"targetRef": {"kind": "Pod", **pod}}
        labels = {"kubernetes.io/service-name": name}
        made.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": name, "namespace": HOME, "labels": labels},
                "addressType": "IPv4",
                "ports": [{"name": "tls", "port": port, "protocol": "TCP"}],
                "endpoints": [endpoint],
            }
        )
    return made


def _channels(cluster: ControlPlane, port: int) -> list[dict[str, Any]]:
    api = cluster.get("service", "kubernetes", "-n", "default")["spec"]["clusterIP"]
    return [
        channel(
            HOME,
            name,
            endpoint={"host": api if place.host == "API" else place.host, "port": port, "serverName": "web.home.svc"},
            encryption={"trust": {"system": True}},
            probe={"interval": "5s"},
        )
        for name, place in PLACES.items()
    ]


class Scene(NamedTuple):
    """What each channel says, by the operator's allowance, and the door that nobody may have knocked at."""

    said: Mapping[str, Mapping[str, Mapping[str, Any]]]
    door: Door


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with ControlPlane() as cluster, listening() as start:
        opened: Door = start(door())
        install(cluster)
        for place in (HOME, OTHER):
            namespace(cluster, place)
            wait_until(lambda place=place: cluster.get("sa", "-n", place)["items"], 20, "the service account")
        _make_pods(cluster)
        cluster.apply([*_services(opened.port), *_slices(opened.port), *_channels(cluster, opened.port)])
        said = {
            "": _observe(cluster, (), set(PLACES)),
            WIDE: _observe(cluster, (f"--probe-allow={WIDE}",), {name for name, place in PLACES.items() if place.wide}),
        }
        yield Scene(said, opened)


def _observe(cluster: ControlPlane, arguments: tuple[str, ...], names: set[str]) -> dict[str, Mapping[str, Any]]:
    """Let an operator measure everything from the beginning; returns Proven of each channel."""
    said: dict[str, Mapping[str, Any]] = {}
    gone = [name for name in PLACES if name not in names]
    if gone:
        # With an allowance names are resolved, and no test asks a name server.
        cluster.kubectl("delete", "chan", "-n", HOME, *gone)
    for name in names:
        cluster.kubectl(
            "patch", "chan", name, "-n", HOME, "--subresource=status", "--type=merge", "-p", '{"status":null}'
        )
    with OperatorProcess(cluster, arguments=arguments):

        def settled() -> bool:
            for item in cluster.get("chan", "-n", HOME)["items"]:
                said[item["metadata"]["name"]] = conditions(item).get("Proven", {})
            return all(said.get(name, {}).get("reason") not in (None, "NotMeasured", "NotSynced") for name in names)

        wait_until(settled, 40, "every channel being judged")
    return said


@pytest.mark.parametrize("name", PLACES)
def test_without_an_allowance_nothing_but_own_pods_is_probed(scene: Scene, name: str) -> None:
    _assert_refused(scene.said[""][name], PLACES[name], PLACES[name].plain)


@pytest.mark.parametrize("name", [name for name, place in PLACES.items() if place.wide])
def test_an_allowance_that_does_not_name_a_protected_address_does_not_open_it(scene: Scene, name: str) -> None:
    _assert_refused(scene.said[WIDE][name], PLACES[name], PLACES[name].wide)


def test_nothing_was_connected_to(scene: Scene) -> None:
    assert scene.door.knocks == []


def _assert_refused(proven: Mapping[str, Any], place: Place, why: str) -> None:
    assert (proven["status"], proven["reason"]) == ("Unknown", place.reason)
    assert why in proven["message"]
    if place.reason == "Refused":
        assert "start the operator with --probe-allow=" in proven["message"]
