"""The API server goes away and comes back: nothing is lost, nothing is made twice, and nobody has to help."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster.gap import RELEASED
from tests.cluster.harness import OperatorProcess, all_ready, authority, channel, install, is_ready
from tests.cluster.kubelet import Kubelet
from tests.controlplane import ControlPlane, KubectlError, wait_until

pytestmark = pytest.mark.alone

if TYPE_CHECKING:
    from collections.abc import Iterator

AWAY = 62.0
RECOVERY = 30.0
LONG_LEASE = 90
"""A restart of the API server takes longer on a busy machine than a Lease of 15 s allows for."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as cluster:
        install(cluster)
        cluster.apply(authority())
        yield cluster


def populate(plane: ControlPlane, namespace: str) -> None:
    plane.kubectl("create", "namespace", namespace)
    plane.apply([channel(namespace, name) for name in ("kept", "deleted")])
    wait_until(all_ready(plane), 40, "everything being Ready")


def keys(plane: ControlPlane) -> dict[str, str]:
    """Version of every Secret of ours that is to stay as it is: what was written anew has another."""
    items = plane.get("secrets", "-A", "-l", "app.kubernetes.io/managed-by=breakwater")["items"]
    versions = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}
    return {name: version for name, version in versions.items() if not name.startswith(("deleted-", "made-"))}


def go_on(plane: ControlPlane, namespace: str) -> None:
    """A channel is made and one deleted, as soon as the API server is back; both are noticed in time."""
    back = time.monotonic()
    plane.apply(channel(namespace, "made"))
    plane.kubectl("delete", "chan", "deleted", "-n", namespace)
    wait_until(lambda: is_ready(plane.get("chan", "made", "-n", namespace)), RECOVERY, "the new channel being Ready")
    wait_until(lambda: released(plane, namespace), RECOVERY, "the deleted channel's Secret being released")
    print(f"went on {time.monotonic() - back:.1f} s after the API server was back")


def released(plane: ControlPlane, namespace: str) -> bool:
    return RELEASED in plane.get("secret", "deleted-tls", "-n", namespace)["metadata"]["labels"]


def test_a_restart_of_the_api_server_ends_no_process(plane: ControlPlane) -> None:
    with Kubelet(OperatorProcess(plane, lease_duration=LONG_LEASE)) as kubelet:
        populate(plane, "restart")
        before = keys(plane)

        plane.restart_apiserver()

        go_on(plane, "restart")
        assert kubelet.exits == []
        assert keys(plane) == before
        assert kubelet.operator.get("/readyz")[0] == 200


def test_an_api_server_that_was_away_for_a_minute_finds_everything_going_on(plane: ControlPlane) -> None:
    """The leader ends, as it must when it cannot renew; its next start and the standby wait."""
    leader, standby = OperatorProcess(plane, identity="leader"), OperatorProcess(plane, identity="standby")
    with Kubelet(leader) as kubelet:
        leader.wait_leading()
        first = leader.pid
        populate(plane, "away")
        with standby:
            before = keys(plane)

            plane.stop_apiserver()
            gone = time.monotonic()
            wait_until(lambda: kubelet.exits, 25, "the leader's end")
            assert [end.code != 0 for end in kubelet.exits] == [True]
            with pytest.raises(KubectlError):
                plane.get("chan", "-A")
            # Until its next start the log's last lines are those of the process that ended.
            wait_until(lambda: leader.pid != first, 30, "the leader's next start")
            wait_until(lambda: any(leader.lines("watch interrupted")), 30, "the API server being asked for")
            assert leader.get("/readyz")[0] == 503
            assert leader.get("/healthz")[0] == standby.get("/healthz")[0] == 200
            wait_until(lambda: time.monotonic() - gone > AWAY, AWAY + 5, "a minute to pass")
            plane.start_apiserver()

            go_on(plane, "away")
            assert keys(plane) == before
            assert len(kubelet.exits) == 1
            assert standby.returncode is None
