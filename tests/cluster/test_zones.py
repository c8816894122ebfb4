"""Zones on a real Traefik: what browsers meet, without an error in between, and the user's Ingress as it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.harness import USER, OperatorProcess, conditions, install
from tests.cluster.ledger import complaints, namespace, still, writes, writes_but_status
from tests.cluster.second_client import Manifest
from tests.cluster.traefik import LINKS, Stream, Traefik, application, ingress, serving
from tests.controlplane import ControlPlane, wait_until
from tests.controlplane.processes import free_ports

pytestmark = pytest.mark.alone

ADDRESS = "127.0.0.21"
STS = "strict-transport-security"
HSTS = {"hsts": {"enabled": True, "includeSubDomains": True}}
REDIRECT = {"httpsRedirect": {"enabled": True}}


@pytest.fixture(scope="module")
def engine() -> Iterator[tuple[ControlPlane, Traefik, int]]:
    with ControlPlane() as plane:
        install(plane)
        port = free_ports(1)[0]
        with application(port), serving(plane, ADDRESS) as traefik:
            yield plane, traefik, port


@pytest.fixture
def plane(engine: tuple[ControlPlane, Traefik, int]) -> ControlPlane:
    return engine[0]


@pytest.fixture
def traefik(engine: tuple[ControlPlane, Traefik, int]) -> Traefik:
    return engine[1]


@pytest.fixture
def place(engine: tuple[ControlPlane, Traefik, int], request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace with one Ingress `app` for host NAMESPACE.test, served."""
    plane, traefik, port = engine
    name = "z-" + re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40].strip("-")
    namespace(plane, name)
    plane.apply(ingress(name, "app", port, host=f"{name}.test"))
    wait_until(lambda: traefik.ask(f"{name}.test", secure=False).status == 200, 20, "the application being served")
    yield name
    plane.kubectl("delete", "namespace", name, "--wait=false")


def running(plane: ControlPlane) -> OperatorProcess:
    """An operator that may look at this machine's addresses."""
    return OperatorProcess(plane, arguments=("--probe-allow=127.0.0.0/8",))


def zone(place: str, name: str, **spec: Any) -> Manifest:
    """A zone over all Ingresses of the namespace."""
    body = {"mode": "Enforce", "ingressSelector": {}, "probe": {"interval": "5s"}} | spec
    return {
        "apiVersion": "breakwater.dev/v1alpha1",
        "kind": "SecurityZone",
        "metadata": {"name": name, "namespace": place},
        "spec": body,
    }


def states(plane: ControlPlane, place: str, name: str) -> dict[str, str]:
    """State by feature."""
    status = plane.get("zone", name, "-n", place).get("status") or {}
    return {item["name"]: item["state"] for item in status.get("features") or ()}


def detail(plane: ControlPlane, place: str, name: str) -> str:
    (item,) = plane.get("zone", name, "-n", place)["status"]["features"]
    return str(item.get("detail", ""))


def enforced(plane: ControlPlane, place: str, *names: str) -> Callable[[], bool]:
    """Whether live answers prove all features of these zones."""
    return lambda: all(set(states(plane, place, name).values()) == {"Enforced"} for name in names)


def middlewares(plane: ControlPlane, place: str) -> list[str]:
    return [item["metadata"]["name"] for item in plane.get("middlewares.traefik.io", "-n", place)["items"]]


def user_part(plane: ControlPlane, place: str) -> Manifest:
    """The Ingress without what the API server writes of its own accord."""
    found: Manifest = plane.get("ingress", "app", "-n", place)
    for key in ("resourceVersion", "managedFields"):
        found["metadata"].pop(key, None)
    return found


def test_two_zones_on_one_ingress_hold_both_and_go_without_a_trace_or_an_error(
    plane: ControlPlane, traefik: Traefik, place: str
) -> None:
    host, before = f"{place}.test", user_part(plane, place)
    with running(plane) as operator, Stream(traefik, host) as stream:
        operator.wait_leading()
        plane.apply([zone(place, "hsts", **HSTS), zone(place, "redirect", **REDIRECT)])
        wait_until(enforced(plane, place, "hsts", "redirect"), 30, "both being proven")
        secure, plain = traefik.ask(host, secure=True), traefik.ask(host, secure=False, path="/a?b=c")
        assert secure.headers[STS] == "max-age=31536000; includeSubDomains"
        assert STS not in plain.headers
        assert (plain.status, plain.headers["location"]) == (301, f"https://{host}/a?b=c")
        assert traefik.ask(host, secure=False, method="POST").status == 308
        plane.kubectl("delete", "zone", "redirect", "-n", place)
        wait_until(lambda: traefik.ask(host, secure=False).status == 200, 30, "plain http being served again")
        assert traefik.ask(host, secure=True).headers[STS] == "max-age=31536000; includeSubDomains"
        plane.apply(zone(place, "hsts", hsts={"enabled": True, "maxAge": 600}))
        wait_until(lambda: traefik.ask(host, secure=True).headers.get(STS) == "max-age=600", 30, "another max-age")
        plane.kubectl("delete", "zone", "hsts", "-n", place)
        wait_until(lambda: not middlewares(plane, place), 40, "everything of ours going")
        wait_until(lambda: STS not in traefik.ask(host, secure=True).headers, 20, "the header going")
        assert complaints(operator) == []
    assert set(stream.statuses) == {200, 301}, stream.statuses
    assert user_part(plane, place) == before


def test_a_max_age_of_zero_has_browsers_forget_and_is_not_sent_by_http(
    plane: ControlPlane, traefik: Traefik, place: str
) -> None:
    with running(plane):
        plane.apply(zone(place, "back", hsts={"enabled": True, "maxAge": 0}, **REDIRECT))
        wait_until(enforced(plane, place, "back"), 30, "it being proven")
    assert traefik.ask(f"{place}.test", secure=True).headers[STS] == "max-age=0"
    assert STS not in traefik.ask(f"{place}.test", secure=False).headers


def test_observing_writes_nothing_and_says_what_enforcing_would_do(
    plane: ControlPlane, traefik: Traefik, place: str
) -> None:
    mark = plane.audit().mark()
    with running(plane) as operator:
        operator.wait_leading()
        plane.apply(zone(place, "watched", mode="Observe", **HSTS))
        wait_until(lambda: states(plane, place, "watched") == {"HSTS": "Failing"}, 30, "it being judged")
        ready = conditions(plane.get("zone", "watched", "-n", place))["Ready"]
        assert (ready["status"], ready["reason"]) == ("False", "Observed")
        assert "Strict-Transport-Security: max-age=31536000; includeSubDomains" in ready["message"]
        still(plane, 3)
    assert writes_but_status(plane, mark) == []
    assert STS not in traefik.ask(f"{place}.test", secure=True).headers


def test_back_to_observing_leaves_what_is(plane: ControlPlane, traefik: Traefik, place: str) -> None:
    with running(plane) as operator:
        plane.apply(zone(place, "zone", **HSTS))
        wait_until(enforced(plane, place, "zone"), 30, "it being proven")
        plane.apply(zone(place, "zone", **HSTS, mode="Observe"))
        wait_until(lambda: plane.get("zone", "zone", "-n", place)["status"]["observedGeneration"] == 2, 20, "a plan")
        mark = still(plane, 6)
        assert traefik.ask(f"{place}.test", secure=True).headers[STS] == "max-age=31536000; includeSubDomains"
        plane.kubectl("delete", "zone", "zone", "-n", place)
        wait_until(lambda: not middlewares(plane, place), 40, "everything of ours going")
        assert writes(plane, mark)
        assert complaints(operator) == []


def test_an_annotation_of_the_owner_is_not_fought_over_and_the_line_to_add_is_named(
    plane: ControlPlane, traefik: Traefik, place: str
) -> None:
    theirs = f"{place}-own@kubernetescrd"
    headers = {"customResponseHeaders": {"X-Own": "1"}}
    own = {"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware", "metadata": {"name": "own", "namespace": place}}
    plane.apply(own | {"spec": {"headers": headers}}, manager="owner")
    plane.kubectl("annotate", "ingress", "app", "-n", place, f"{LINKS}={theirs}", "--field-manager=owner")
    with running(plane):
        plane.apply(zone(place, "zone", **HSTS))
        line = f"{LINKS}: {theirs},{place}-breakwater-app-hsts@kubernetescrd"
        wait_until(lambda: states(plane, place, "zone") == {"HSTS": "Failing"}, 30, "the conflict being seen")
        wait_until(lambda: line in detail(plane, place, "zone"), 30, "the conflict being named")
        assert '"owner"' in detail(plane, place, "zone")
        assert user_part(plane, place)["metadata"]["annotations"][LINKS] == theirs
        value = line.partition(": ")[2]
        plane.kubectl(
            "annotate", "ingress", "app", "-n", place, "--overwrite", f"{LINKS}={value}", "--field-manager=owner"
        )
        wait_until(enforced(plane, place, "zone"), 30, "it being proven after the line was added")
        assert traefik.ask(f"{place}.test", secure=True).headers["x-own"] == "1"


def test_of_two_zones_the_older_decides_and_the_other_names_it(
    plane: ControlPlane, traefik: Traefik, place: str
) -> None:
    with running(plane):
        plane.apply(zone(place, "older", hsts={"enabled": True, "maxAge": 600}))
        wait_until(enforced(plane, place, "older"), 30, "the first being proven")
        plane.apply(zone(place, "a-newer", hsts={"enabled": True, "maxAge": 1200}))
        wait_until(lambda: states(plane, place, "a-newer") == {"HSTS": "Failing"}, 20, "the second being judged")
        wait_until(lambda: "SecurityZone older" in detail(plane, place, "a-newer"), 10, "the winner being named")
        assert states(plane, place, "older") == {"HSTS": "Enforced"}
        assert traefik.ask(f"{place}.test", secure=True).headers[STS] == "max-age=600"


def test_a_ramp_takes_the_next_step_after_its_proof_and_never_goes_back(
    plane: ControlPlane, traefik: Traefik, place: str
) -> None:
    host, ramp = f"{place}.test", {"enabled": True, "maxAge": 7200, "ramp": [10, 3600]}
    with running(plane) as operator:
        plane.apply(zone(place, "ramp", hsts=ramp))
        wait_until(lambda: traefik.ask(host, secure=True).headers.get(STS) == "max-age=10", 20, "the first step")
        wait_until(lambda: traefik.ask(host, secure=True).headers.get(STS) == "max-age=3600", 40, "the second step")
        wait_until(enforced(plane, place, "ramp"), 20, "its proof")
        next_at = plane.get("zone", "ramp", "-n", place)["status"]["hsts"]["nextAt"]
        assert next_at
        operator.stop()
        patch = ("--subresource=status", "--type=merge", "-p", '{"status": null}')
        plane.kubectl("patch", "zone", "ramp", "-n", place, *patch)
        mark = plane.audit().mark()
        operator.start()
        wait_until(enforced(plane, place, "ramp"), 40, "its proof after the status was lost")
        assert writes_but_status(plane, mark) == []
        assert plane.get("zone", "ramp", "-n", place)["status"]["hsts"]["maxAge"] == 3600


def test_what_is_left_of_a_zone_that_went_while_the_operator_was_down_is_taken_back(
    plane: ControlPlane, traefik: Traefik, place: str
) -> None:
    before = user_part(plane, place)
    with running(plane):
        plane.apply(zone(place, "zone", **HSTS, **REDIRECT))
        wait_until(enforced(plane, place, "zone"), 30, "it being proven")
    plane.kubectl("delete", "zone", "zone", "-n", place)
    with Stream(traefik, f"{place}.test") as stream, running(plane):
        wait_until(lambda: not middlewares(plane, place), 60, "everything of ours going")
    assert set(stream.statuses) <= {200, 301}, stream.statuses
    assert user_part(plane, place) == before


@pytest.mark.parametrize("what", ["the annotation", "a Middleware", "a Middleware changed"])
def test_drift_is_repaired(plane: ControlPlane, traefik: Traefik, place: str, what: str) -> None:
    host = f"{place}.test"
    with running(plane):
        plane.apply(zone(place, "zone", **HSTS))
        wait_until(enforced(plane, place, "zone"), 30, "it being proven")
        if what == "the annotation":
            plane.kubectl("annotate", "ingress", "app", "-n", place, f"{LINKS}-")
        elif what == "a Middleware":
            plane.kubectl("delete", "middleware", "breakwater-app-hsts", "-n", place)
        else:
            patch = '{"spec": {"headers": {"stsSeconds": 1}}}'
            plane.kubectl("patch", "middleware", "breakwater-app-hsts", "-n", place, "--type=merge", "-p", patch)
        expected = "max-age=31536000; includeSubDomains"
        wait_until(lambda: middlewares(plane, place) == ["breakwater-app-hsts"], 20, "the Middleware")
        wait_until(lambda: LINKS in (user_part(plane, place)["metadata"].get("annotations") or {}), 20, "the link")
        wait_until(lambda: traefik.ask(host, secure=True).headers.get(STS) == expected, 20, "the header")


def test_a_zone_that_holds_is_not_written_to(plane: ControlPlane, place: str) -> None:
    with running(plane) as operator:
        plane.apply(zone(place, "zone", **HSTS, **REDIRECT))
        wait_until(enforced(plane, place, "zone"), 30, "it being proven")
        mark = still(plane, 12)
        assert writes(plane, mark) == []
        operator.stop()
        operator.start()
        operator.wait_leading()
        still(plane, 8)
        assert writes(plane, mark) == []
        assert [event for event in plane.audit().events(mark, user=USER) if event.verb in ("delete", "create")] == []
