"""Nothing changed, nothing written: the audit log of a quiet cluster, of a restart, and of statuses that were lost."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness import EXAMPLE, OperatorProcess, all_ready, authority, channel, conditions
from tests.cluster.ledger import complaints, keys, namespace, secrets, still, versions, writes
from tests.cluster.rolling import (
    QUICK,
    RESTARTED_AT,
    annotations_of,
    await_current,
    consumer,
    running_pods,
    schedule,
)
from tests.controlplane import ControlPlane, wait_until
from tests.controlplane.processes import free_ports
from tests.demo.web import TlsServer, load

pytestmark = pytest.mark.alone

PLACE = "quiet"
HOST = f"web.{PLACE}.svc"
QUIET_SECONDS = 60
MEASURED = "breakwater_measure_duration_seconds_count"
# A handshake each 5 s, on a machine that does other things as well.
FEWEST_MEASUREMENTS = 8


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The example suite, a web server that is really there and is proven, and a workload with a restart behind it."""
    port = free_ports(1)[0]
    with running_pods() as own:
        namespace(own, PLACE)
        with running(own):
            own.apply(EXAMPLE)
            own.apply([*others(), *declarations(port)])
            wait_until(everything_ready(own), 60, "everything ready")
            await_current(own, PLACE, "db")
            own.apply(database(keys={"APP_PASSWORD": "password"}))
            wait_until(lambda: RESTARTED_AT in annotations_of(app(own)), 60, "the restart")
            await_current(own, PLACE, "db")
            with web_server(own, port, tmp_path_factory.mktemp("web")):
                wait_until(lambda: web(own)["Proven"]["status"] == "True", 60, "the web channel being proven")
                still(own, 3)
        with web_server(own, port, tmp_path_factory.mktemp("web")):
            yield own


def running(cluster: ControlPlane) -> OperatorProcess:
    """An operator that may measure servers of this machine."""
    return OperatorProcess(cluster, arguments=("--probe-allow=127.0.0.0/8",))


def others() -> list[dict[str, Any]]:
    """The Service that leads to this machine, and a workload that uses a binding."""
    service = {"type": "ExternalName", "externalName": "localhost"}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": PLACE}, "spec": service},
        consumer(PLACE, "app", "db-binding"),
    ]


def declarations(port: int) -> list[dict[str, Any]]:
    """A channel that is measured all the time, one with all that can be made, and the schedule that they follow."""
    return [
        schedule(**QUICK),
        authority("quiet", trust={"namespaceSelector": {}}),
        channel(
            PLACE,
            "web",
            "quiet",
            endpoint={"host": HOST, "port": port},
            probe={"interval": "5s", "negativeInterval": "1m"},
        ),
        database(),
    ]


def database(**output: Any) -> dict[str, Any]:
    """The channel with a consumer."""
    authentication = {
        "password": {"generate": {"username": "app"}},
        "clientCertificate": {"authorityRef": {"name": "quiet"}, "commonName": "app"},
    }
    return channel(PLACE, "db", "quiet", authentication=authentication, consumers=[{"name": "app"}], output=output)


def everything_ready(cluster: ControlPlane) -> Callable[[], bool]:
    """Whether authorities, channels and schedules are."""
    return all_ready(cluster, "bwca,chan,rotation", "-A")


@contextmanager
def web_server(cluster: ControlPlane, port: int, folder: Path) -> Iterator[None]:
    """A TLS server with the key pair that was issued for it."""
    data = {name: base64.b64decode(value) for name, value in secrets(cluster, PLACE)["web-tls"]["data"].items()}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load(context, data, folder)
    with TlsServer(port, context) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def web(cluster: ControlPlane) -> dict[str, Mapping[str, Any]]:
    """Conditions of the channel that is measured."""
    return {"Proven": {"status": ""}} | conditions(cluster.get("chan", "web", "-n", PLACE))


def watch_quietly(cluster: ControlPlane, operator: OperatorProcess, mark: int) -> None:
    """Nothing written since a mark and for the time of quiet, though it is measured all the time."""
    measured = operator.metric(MEASURED)
    time.sleep(QUIET_SECONDS)
    assert writes(cluster, mark) == []
    assert operator.metric(MEASURED) - measured >= FEWEST_MEASUREMENTS
    assert web(cluster)["Secured"]["reason"] == "NotDeclared", "all but authorization, which this channel leaves out"
    assert web(cluster)["Proven"]["status"] == "True"
    assert complaints(operator) == []


def wipe(cluster: ControlPlane) -> None:
    """Every status of ours, as a restore from a backup of manifests does."""
    for kind in ("bwca", "chan", "rotation"):
        for item in cluster.get(kind, "-A")["items"]:
            place = ("-n", item["metadata"]["namespace"]) if "namespace" in item["metadata"] else ()
            name = item["metadata"]["name"]
            cluster.kubectl(
                "patch", kind, name, *place, "--subresource=status", "--type=merge", "-p", json.dumps({"status": None})
            )


def app(cluster: ControlPlane) -> Mapping[str, Any]:
    """The workload that was restarted once."""
    return cluster.get("deployment", "app", "-n", PLACE)


def template_of(cluster: ControlPlane) -> Any:
    """What a restart would change."""
    deployment = app(cluster)
    assert RESTARTED_AT in annotations_of(deployment)
    return deployment["metadata"]["generation"], deployment["spec"]["template"]


def assert_only_status_is_written(cluster: ControlPlane, mark: int, kept: tuple[Any, ...]) -> None:
    wait_until(everything_ready(cluster), 60, "everything ready again")
    await_current(cluster, PLACE, "db")
    wait_until(lambda: web(cluster)["Proven"]["status"] == "True", 60, "the web channel being proven again")
    still(cluster, 5)
    lines = writes(cluster, mark)
    assert lines
    assert [line for line in lines if not line.startswith("update ") or "/status " not in line] == []
    assert (keys(cluster), versions(cluster), template_of(cluster)) == kept


def test_a_quiet_cluster_is_not_written_to(cluster: ControlPlane) -> None:
    with running(cluster) as operator:
        operator.wait_leading()
        watch_quietly(cluster, operator, still(cluster, 3))


def test_a_start_on_what_is_ready_writes_nothing(cluster: ControlPlane) -> None:
    mark = cluster.audit().mark()
    with running(cluster) as operator:
        operator.wait_leading()
        watch_quietly(cluster, operator, mark)


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
def test_statuses_that_were_lost_are_written_again_and_nothing_else(cluster: ControlPlane, up: bool) -> None:
    with running(cluster) as operator:
        operator.wait_leading()
        still(cluster, 3)
        kept = (keys(cluster), versions(cluster), template_of(cluster))
        if not up:
            operator.stop()
        mark = cluster.audit().mark()
        wipe(cluster)
        if not up:
            operator.start()
        assert_only_status_is_written(cluster, mark, kept)


def test_a_measurement_is_written_anew_once_at_half_its_validity(cluster: ControlPlane) -> None:
    with running(cluster) as operator:
        operator.wait_leading()
        still(cluster, 3)
        mark = cluster.audit().mark()
        stored = age(cluster, timedelta(minutes=29))
        still(cluster, 8)
        assert writes(cluster, mark) == []
        mark = cluster.audit().mark()
        age(cluster, timedelta(minutes=2))
        wait_until(lambda: writes(cluster, mark), 20, "the measurement being written")
        still(cluster, 8)
        assert writes(cluster, mark) == [f"update communicationchannels/status {PLACE}/web 200"]
        assert min(measured_at(cluster)) > stored


def measured_at(cluster: ControlPlane) -> list[datetime]:
    measurements = cluster.get("chan", "web", "-n", PLACE)["status"]["measurements"]
    return [datetime.fromisoformat(item["time"]) for item in measurements]


def age(cluster: ControlPlane, by: timedelta) -> datetime:
    """Let the measurements in status be older than they are; returns the time of the test's doing."""
    item = cluster.get("chan", "web", "-n", PLACE)
    for measurement in item["status"]["measurements"]:
        for end in ("time", "validUntil"):
            moved = datetime.fromisoformat(measurement[end]) - by
            measurement[end] = moved.strftime("%Y-%m-%dT%H:%M:%SZ")
    cluster.kubectl("replace", "--subresource=status", "-f", "-", input=json.dumps(item))
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
