"""Declarations that go: what is deleted with them, what is released, and that nothing ever hangs on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from tests.cluster.harness import BASE, CRDS, NAMESPACE, OperatorProcess, all_ready, authority, channel, install
from tests.cluster.ledger import OURS, complaints, gone, keys, namespace, released, secrets, writes
from tests.controlplane import ControlPlane, wait_until

GROUP_KINDS = ",".join(
    f"{plural}.breakwater.dev" for plural in ("certificateauthorities", "communicationchannels", "rotationschedules")
)
BUNDLES = "clustertrustbundles.certificates.k8s.io"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    with ControlPlane() as own:
        install(own)
        with OperatorProcess(own):
            own.apply(authority())
            wait_until(all_ready(own, "bwca"), 30, "the authority")
        yield own


@pytest.fixture
def operator(cluster: ControlPlane) -> Iterator[OperatorProcess]:
    with OperatorProcess(cluster) as process:
        yield process


def full(place: str, name: str, **spec: Any) -> dict[str, Any]:
    """A channel that has everything made for it that holds a key or a password."""
    login = {"generate": {"username": "app"}}
    client = {"authorityRef": {"name": "platform"}, "commonName": "app"}
    return channel(place, name, authentication={"password": login, "clientCertificate": client}, **spec)


def make(cluster: ControlPlane, place: str, *declared: dict[str, Any]) -> dict[Any, Any]:
    """Declare these in a namespace, wait for them, and return the keys there."""
    namespace(cluster, place)
    cluster.apply(list(declared))
    wait_until(all_ready(cluster, "chan", "-n", place), 60, f"the channels of {place}")
    return keys_of(cluster, place)


def keys_of(cluster: ControlPlane, place: str) -> dict[Any, Any]:
    return {name: found for name, found in keys(cluster).items() if name[0] == place}


@pytest.mark.parametrize("running", [True, False], ids=["up", "down"])
def test_a_channel_takes_its_secrets_along_or_releases_them_as_it_asked(cluster: ControlPlane, running: bool) -> None:
    place = "leaves-up" if running else "leaves-down"
    with OperatorProcess(cluster) as operator:
        before = make(
            cluster, place, full(place, "mortal", deletionPolicy="Delete"), full(place, "kept", deletionPolicy="Retain")
        )
        assert len(before) == 6
        if not running:
            operator.stop()
        cluster.kubectl("delete", "chan", "--all", "-n", place)
        with nullcontext() if running else OperatorProcess(cluster):
            kept = {"kept-tls", "kept-login", "kept-binding"}
            wait_until(lambda: secrets(cluster, place).keys() == kept, 30, "the Secrets of the mortal one going")
            wait_until(lambda: released(cluster, place) == kept, 30, "those of the other being released")
            assert keys_of(cluster, place) == {name: before[name] for name in before if name[1] in kept}


@pytest.mark.parametrize("running", [True, False], ids=["up", "down"])
def test_what_was_released_is_taken_up_by_a_declaration_of_the_same_name(cluster: ControlPlane, running: bool) -> None:
    place = "back-up" if running else "back-down"
    with OperatorProcess(cluster) as operator:
        before = make(cluster, place, full(place, "db"))
        cluster.kubectl("delete", "chan", "db", "-n", place)
        wait_until(lambda: len(released(cluster, place)) == 3, 30, "the Secrets being released")
        if not running:
            operator.stop()
        cluster.apply(full(place, "db"))
        with nullcontext() if running else OperatorProcess(cluster):
            wait_until(all_ready(cluster, "chan", "-n", place), 30, "the channel being ready again")
            wait_until(lambda: not released(cluster, place), 30, "the release being taken back")
            assert keys_of(cluster, place) == before


@pytest.mark.parametrize("running", [True, False], ids=["up", "down"])
def test_an_authority_keeps_its_key_over_its_own_end(cluster: ControlPlane, running: bool) -> None:
    name = "mortal-up" if running else "mortal-down"
    place = namespace(cluster, name)
    selector = {"matchLabels": {"kubernetes.io/metadata.name": place}}
    declared = authority(name, trust={"namespaceSelector": selector, "clusterTrustBundle": True})
    secret = (NAMESPACE, f"authority-{name}")
    with OperatorProcess(cluster) as operator:
        cluster.apply(declared)
        wait_until(all_ready(cluster, "bwca"), 30, "the authority")
        before = keys(cluster)[secret]
        if not running:
            operator.stop()
        cluster.kubectl("delete", "bwca", name)
        with nullcontext() if running else OperatorProcess(cluster):
            # The garbage collector of Kubernetes follows the owner reference, whether we run or not.
            wait_until(gone(cluster, "configmap", f"{name}-trust", "-n", place), 60, "trust going with its authority")
            wait_until(
                gone(cluster, BUNDLES, f"breakwater-{name}"), 60, "the cluster's bundle going with its authority"
            )
            wait_until(lambda: secret[1] in released(cluster, NAMESPACE), 30, "the root being released")
            assert keys(cluster)[secret] == before
            cluster.apply(declared)
            wait_until(all_ready(cluster, "bwca"), 30, "the authority being ready again")
            wait_until(lambda: secret[1] not in released(cluster, NAMESPACE), 30, "the root being taken up")
            assert keys(cluster)[secret] == before


def renamed(place: str, name: str, policy: str, generation: str) -> dict[str, Any]:
    """A channel whose Secrets bear another name in each generation."""
    declared = full(place, name, deletionPolicy=policy, output={"secretName": f"{name}-out-{generation}"})
    declared["spec"]["encryption"]["serverCertificate"]["secretName"] = f"{name}-tls-{generation}"
    return declared


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_a_secret_that_is_not_declared_any_more_leaves_after_its_successor_stands(
    cluster: ControlPlane, operator: OperatorProcess, policy: str
) -> None:
    place = f"renamed-{policy.lower()}"
    before = make(cluster, place, renamed(place, "db", policy, "1"))
    mark = cluster.audit().mark()
    cluster.apply(renamed(place, "db", policy, "2"))
    stays = {"db-login", "db-out-2", "db-tls-2"}
    strays = set() if policy == "Delete" else {"db-out-1", "db-tls-1"}
    wait_until(lambda: secrets(cluster, place).keys() == stays | strays, 30, "the old names going")
    wait_until(lambda: released(cluster, place) == strays, 30, "the old names being released")
    wait_until(all_ready(cluster, "chan", "-n", place), 30, "the channel being ready")
    after = keys_of(cluster, place)
    assert after[place, "db-login"] == before[place, "db-login"]
    assert after[place, "db-out-2"]["password"] == before[place, "db-out-1"]["password"]
    lines = [line for line in writes(cluster, mark) if f" secrets {place}/" in line]
    assert {line.split()[0] for line in lines[:2]} == {"create"}, lines


def test_a_secret_stays_while_the_name_of_its_successor_is_taken(
    cluster: ControlPlane, operator: OperatorProcess
) -> None:
    place = "taken"
    before = make(cluster, place, renamed(place, "db", "Delete", "1"))
    foreign = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db-tls-2", "namespace": place}}
    cluster.apply(foreign)
    cluster.apply(renamed(place, "db", "Delete", "2"))
    wait_until(lambda: _accepted(cluster, place, "db") == "NameTaken", 30, "the name being refused")
    assert keys_of(cluster, place) == before
    cluster.kubectl("delete", "secret", "db-tls-2", "-n", place)
    wait_until(lambda: "db-tls-1" not in secrets(cluster, place), 30, "the old one going when the way is free")
    assert "db-tls-2" in secrets(cluster, place)


def _accepted(cluster: ControlPlane, place: str, name: str) -> str:
    found = (cluster.get("chan", name, "-n", place).get("status") or {}).get("conditions") or ()
    return next((item["reason"] for item in found if item["type"] == "Accepted"), "")


def test_a_terminating_namespace_is_not_written_to_and_not_complained_about(
    cluster: ControlPlane, operator: OperatorProcess
) -> None:
    place = "doomed"
    more_than_a_few = [channel(place, f"flow-{number}", deletionPolicy="Delete") for number in range(12)]
    make(cluster, place, full(place, "db"), *more_than_a_few)
    said, mark = len(complaints(operator)), cluster.audit().mark()
    cluster.kubectl("delete", "namespace", place, "--timeout=90s")
    wait_until(lambda: operator.metric("breakwater_vanished_declarations") == 0, 20, "the operator forgetting them")
    assert [line for line in writes(cluster, mark) if "authorities/status" not in line] == []
    assert complaints(operator)[said:] == []
    assert operator.metric("breakwater_mass_deletion") == 0


def test_a_namespace_deleted_while_the_operator_was_down_is_not_mourned(cluster: ControlPlane) -> None:
    place = "forgotten"
    with OperatorProcess(cluster):
        make(cluster, place, full(place, "db"))
    cluster.kubectl("delete", "namespace", place, "--timeout=90s")
    mark = cluster.audit().mark()
    with OperatorProcess(cluster) as operator:
        operator.wait_leading()
        wait_until(lambda: operator.metric("breakwater_queue_length") == 0, 20, "everything being planned")
        assert [line for line in writes(cluster, mark) if place in line] == []


def test_nothing_bears_a_finalizer(cluster: ControlPlane, operator: OperatorProcess) -> None:
    place = "no-finalizers"
    make(cluster, place, full(place, "db", deletionPolicy="Delete"))
    items = [
        *cluster.get(GROUP_KINDS, "-A")["items"],
        *cluster.get(f"secrets,configmaps,{BUNDLES}", "-A", *OURS)["items"],
    ]
    assert {item["kind"] for item in items} >= {"CertificateAuthority", "CommunicationChannel", "Secret"}
    assert [item["metadata"]["name"] for item in items if item["metadata"].get("finalizers")] == []
    asked = [event.request_object for event in cluster.audit().events() if isinstance(event.request_object, dict)]
    ours = [body for body in asked if body.get("apiVersion", "").startswith("breakwater.dev/")]
    assert ours
    assert [body for body in ours if (body.get("metadata") or {}).get("finalizers")] == []


def test_removing_everything_at_once_never_hangs() -> None:
    with ControlPlane() as cluster:
        install(cluster)
        place = "whole"
        with OperatorProcess(cluster) as operator:
            cluster.apply(authority(trust={"namespaceSelector": {}, "clusterTrustBundle": True}))
            make(cluster, place, full(place, "db", deletionPolicy="Delete"), full(place, "web"))
            # In this order, and with the operator's own namespace and rights in the middle of it, as a careless
            # `kubectl delete -f` of everything has it.
            cluster.kubectl("delete", "-f", BASE / "namespace.yaml", "--wait=false")
            cluster.kubectl("delete", GROUP_KINDS, "--all", "-A", "--timeout=30s")
            cluster.kubectl("delete", "-k", CRDS, "--timeout=60s")
            cluster.kubectl("delete", "-f", BASE / "rbac.yaml", "--ignore-not-found", "--timeout=30s")
            cluster.kubectl("delete", "namespace", place, "--timeout=90s")
            cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=90s")
            operator.stop()
        # Bundles may outlive this order: without the CRD the garbage collector cannot look for their owner any more.
        assert keys(cluster) == {}
