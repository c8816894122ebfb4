"""Whoever uses a Secret is restarted once when its content has changed: as gently as declared, never twice."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.cluster.harness import USER, OperatorProcess
from tests.cluster.rolling import (
    QUICK,
    another_replica,
    apply_and_settle,
    consumer,
    consumers_of,
    deployment_of,
    flow,
    is_rolled,
    running_pods,
    schedule,
    short_lived,
    states,
    states_of,
    watching,
)
from tests.cluster.second_client import Manifest, SecondClient, secret
from tests.cluster.suite import generation
from tests.controlplane import ControlPlane, wait_until

MINUTES = 5
LEAF_SECONDS = 90


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with running_pods() as made:
        made.apply([short_lived("2160h"), schedule(**QUICK)])
        yield made


@pytest.fixture
def space(plane: ControlPlane, request: pytest.FixtureRequest) -> str:
    name = f"s-{abs(hash(request.node.name)) % 10**8}"
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def _current(plane: ControlPlane, space: str, *channels: str) -> None:
    found: dict[str, list[str]] = {}

    def check() -> bool:
        items = {item["metadata"]["name"]: item for item in plane.get("chan", "-n", space)["items"]}
        found.update({name: states_of(items[name]) for name in channels})
        return all(each and set(each) == {"Current"} for each in found.values())

    try:
        wait_until(check, 90, "the consumers being current", interval=0.5)
    except TimeoutError as error:
        raise AssertionError(f"not current: {found}") from error


def _renew(plane: ControlPlane, space: str, name: str) -> None:
    """Have another certificate issued: by another name in it."""
    plane.kubectl("patch", "chan", name, "-n", space, "--type=merge", "-p", _json({"spec": _renamed(space, name)}))


def _renamed(space: str, name: str) -> dict[str, object]:
    names = [f"{name}.{space}.svc", f"more.{space}.svc"]
    server = {"secretName": f"{name}-tls", "authorityRef": {"name": "platform"}, "dnsNames": names}
    return {"encryption": {"trust": {"authorityRef": {"name": "platform"}}, "serverCertificate": server}}


def _json(value: object) -> str:
    return json.dumps(value)


def test_adopting_a_running_deployment_restarts_nothing_and_new_content_restarts_it_once(
    plane: ControlPlane, space: str
) -> None:
    with OperatorProcess(plane) as operator:
        operator.wait_leading()
        plane.apply([flow(space, "a"), flow(space, "b")])
        apply_and_settle(plane, consumer(space, "app", "a-tls", "b-tls"))
        with watching(plane.admin_kubeconfig, space) as seen:
            plane.apply([flow(space, "a", "app"), flow(space, "b", "app")])
            _current(plane, space, "a", "b")
            time.sleep(5)
            assert seen.restarts == {"app": 0}
            _renew(plane, space, "a")
            _renew(plane, space, "b")
            wait_until(lambda: seen.restarts["app"] == 1, 30, "the restart")
            _current(plane, space, "a", "b")
            time.sleep(5)
        assert seen.restarts == {"app": 1}
        assert seen.unavailable == []


def test_a_certificate_of_ninety_seconds_for_five_minutes(plane: ControlPlane, space: str) -> None:
    authority = short_lived(f"{LEAF_SECONDS}s") | {"metadata": {"name": "brief"}}
    server = {"secretName": "a-tls", "authorityRef": {"name": "brief"}, "dnsNames": [f"a.{space}.svc"]}
    encryption = {"trust": {"authorityRef": {"name": "brief"}}, "serverCertificate": server}
    with OperatorProcess(plane) as operator, SecondClient(plane.admin_kubeconfig) as client:
        operator.wait_leading()
        plane.apply([authority, flow(space, "a", encryption=encryption)])
        apply_and_settle(plane, consumer(space, "app", "a-tls"))
        with watching(plane.admin_kubeconfig, space) as seen:
            plane.apply(flow(space, "a", "app", encryption=encryption))
            _current(plane, space, "a")
            before = _generation(client, space)
            ends = time.monotonic() + 60 * MINUTES
            while time.monotonic() < ends:
                _assert_valid_pair(client, space)
                time.sleep(0.5)
            renewals = _generation(client, space) - before
            wait_until(lambda: seen.restarts["app"] == _generation(client, space) - before, 30, "the last restart")
        print(f"{renewals} renewals in {MINUTES} minutes, {seen.restarts['app']} restarts")
        assert renewals >= 60 * MINUTES // LEAF_SECONDS
        assert seen.unavailable == []


def _generation(client: SecondClient, space: str) -> int:
    return generation(client.get(secret(space, "a-tls")))


def _assert_valid_pair(client: SecondClient, space: str) -> None:
    data = client.data(secret(space, "a-tls"))
    certificate = x509.load_pem_x509_certificate(data["tls.crt"])
    key = load_pem_private_key(data["tls.key"], None)
    assert certificate.public_key() == key.public_key()
    assert certificate.not_valid_before_utc <= dt.datetime.now(dt.UTC) < certificate.not_valid_after_utc


def test_thirty_secrets_at_once_are_five_restarts_within_the_budget_though_the_leader_dies(
    plane: ControlPlane, space: str
) -> None:
    names = {f"app-{number}": [f"c{number}-{each}" for each in range(6)] for number in range(5)}
    channels = [channel for each in names.values() for channel in each]
    first, second = another_replica(plane, "first"), another_replica(plane, "second")
    with first, second:
        first.wait_leading()
        plane.apply([flow(space, name) for name in channels])
        apply_and_settle(plane, *(consumer(space, app, *(f"{c}-tls" for c in used)) for app, used in names.items()))
        plane.apply([flow(space, channel, app) for app, used in names.items() for channel in used])
        _current(plane, space, *channels)
        with watching(plane.admin_kubeconfig, space) as seen:
            plane.apply([flow(space, c, app, **_renamed(space, c)) for app, used in names.items() for c in used])
            wait_until(lambda: sum(seen.restarts.values()) >= 2, 60, "the first restarts")
            first.kill()
            wait_until(lambda: sum(seen.restarts.values()) >= 5, 90, "the other restarts")
            _current(plane, space, *channels)
            time.sleep(3)
        assert seen.restarts == dict.fromkeys(names, 1)
        assert seen.most <= 2
        assert seen.unavailable == []


def test_a_rollout_that_does_not_come_back_stops_the_others_and_says_so(plane: ControlPlane, space: str) -> None:
    one = {"restarts": {"maxConcurrent": 1, "minReady": "0s"}}
    unschedulable = {"progressDeadlineSeconds": 5}
    with OperatorProcess(plane) as operator:
        operator.wait_leading()
        plane.apply([schedule(space, "careful", **one), *(flow(space, name) for name in ("a", "b"))])
        apply_and_settle(plane, consumer(space, "a-app", "a-tls", **unschedulable), consumer(space, "b-app", "b-tls"))
        reference = {"rotationScheduleRef": {"name": "careful"}}
        plane.apply([flow(space, "a", "a-app", **reference), flow(space, "b", "b-app", **reference)])
        _current(plane, space, "a", "b")
        # No pod fits any more: what rolls from now on does not come back.
        plane.kubectl("cordon", "node-1")
        try:
            _renew(plane, space, "a")
            wait_until(lambda: states(plane, space, "a") == ["Halted"], 60, "the failure being said")
            _renew(plane, space, "b")
            wait_until(lambda: "did not come back" in _message(plane, space, "b"), 30, "the other being held")
            assert states(plane, space, "b") == ["Due"]
            assert "restart-halted-" in _message(plane, space, "a")
            annotations = plane.get("deployment", "a-app", "-n", space)["metadata"]["annotations"]
            assert annotations["breakwater.dev/restart-halted"]
        finally:
            plane.kubectl("uncordon", "node-1")
        _current(plane, space, "a", "b")
        metadata = plane.get("deployment", "a-app", "-n", space)["metadata"]
        assert "breakwater.dev/restart-halted" not in metadata.get("annotations", {})


def _message(plane: ControlPlane, space: str, name: str) -> str:
    return " ".join(str(item.get("message", "")) for item in consumers_of(plane, space, name))


@pytest.mark.parametrize("way", ["server-side with force", "client-side apply", "replace"])
def test_who_applies_the_same_manifest_each_second_is_not_fought(plane: ControlPlane, space: str, way: str) -> None:
    manifest = consumer(space, "app", "a-tls")
    with OperatorProcess(plane) as operator:
        operator.wait_leading()
        plane.apply(flow(space, "a"))
        _applied(plane, way, manifest)
        wait_until(lambda: is_rolled(plane.get("deployment", "app", "-n", space)), 60, "app running")
        plane.apply(flow(space, "a", "app"))
        _current(plane, space, "a")
        mark = plane.audit().mark()
        ends, renewed = time.monotonic() + 60, False
        while time.monotonic() < ends:
            _applied(plane, way, manifest)
            if not renewed and time.monotonic() > ends - 50:
                _renew(plane, space, "a")
                renewed = True
            time.sleep(1)
        orders = [
            event
            for event in plane.audit().events(mark, user=USER)
            if (event.resource, event.verb, event.namespace) == ("deployments", "patch", space)
        ]
        assert len(orders) == 1, [event.time for event in orders]
        expected = {"Erased"} if way == "replace" else {"Current"}
        wait_until(lambda: set(states(plane, space, "a")) == expected, 60, f"the consumer being {expected}")


def _applied(plane: ControlPlane, way: str, manifest: Manifest) -> None:
    if way == "replace":
        if plane.kubectl("get", "deployment", "app", "-n", manifest["metadata"]["namespace"], "--ignore-not-found"):
            plane.kubectl("replace", "-f", "-", input=_json(manifest))
        else:
            plane.kubectl("create", "-f", "-", input=_json(manifest))
    elif way == "client-side apply":
        plane.kubectl("apply", "-f", "-", input=_json(manifest))
    else:
        forced = ("--server-side", "--force-conflicts", "--field-manager=gitops")
        plane.kubectl("apply", *forced, "-f", "-", input=_json(manifest))


def test_the_whole_of_a_deployment_but_our_annotations_is_its_owners(plane: ControlPlane, space: str) -> None:
    with OperatorProcess(plane) as operator, SecondClient(plane.admin_kubeconfig) as client:
        operator.wait_leading()
        plane.apply(flow(space, "a"))
        apply_and_settle(plane, consumer(space, "app", "a-tls"))
        before = client.get(deployment_of(space, "app"))["spec"]
        plane.apply(flow(space, "a", "app"))
        _current(plane, space, "a")
        assert client.get(deployment_of(space, "app"))["spec"] == before, "a first sight writes nothing"
        _renew(plane, space, "a")
        wait_until(lambda: client.get(deployment_of(space, "app"))["spec"] != before, 30, "the restart")
        after = client.get(deployment_of(space, "app"))["spec"]
        ours = after["template"]["metadata"].pop("annotations")
        assert after == before
        assert set(ours) == {"breakwater.dev/restarted-for", "breakwater.dev/restarted-at"}
