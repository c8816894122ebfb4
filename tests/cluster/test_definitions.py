"""CRDs deleted and applied again: the resources go, the keys stay, and nothing is issued twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster.harness import CRDS, OperatorProcess, all_ready, authority, channel, install
from tests.cluster.ledger import OURS, events_of, gone, keys, namespace, versions, writes, writes_but_status
from tests.controlplane import ControlPlane, wait_until

KINDS = (
    "certificateauthorities.breakwater.dev",
    "communicationchannels.breakwater.dev",
    "rotationschedules.breakwater.dev",
)
PLACE = "redefined"


@pytest.fixture(scope="module")
def controlplane_of_its_own() -> Iterator[ControlPlane]:
    with ControlPlane() as own:
        install(own)
        namespace(own, PLACE)
        yield own


@pytest.fixture
def cluster(controlplane_of_its_own: ControlPlane) -> Iterator[ControlPlane]:
    """Everything defined at first; nothing left at the end that the next test could take for its own."""
    define(controlplane_of_its_own)
    yield controlplane_of_its_own
    controlplane_of_its_own.kubectl("delete", "bwca,chan", "--all", "-A", "--ignore-not-found")
    controlplane_of_its_own.kubectl("delete", "secrets", "-A", *OURS)


def declarations() -> list[dict[str, Any]]:
    """Channels with and without Delete, so that a mistaken deletion would show in both."""
    login = {"password": {"generate": {"username": "app"}}}
    client = {"clientCertificate": {"authorityRef": {"name": "platform"}, "commonName": "app"}}
    return [
        authority(trust={"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": PLACE}}}),
        channel(PLACE, "web", deletionPolicy="Delete"),
        channel(PLACE, "mail", deletionPolicy="Delete", authentication=login),
        channel(PLACE, "db", deletionPolicy="Retain", authentication=login | client),
    ]


def settle(cluster: ControlPlane) -> None:
    cluster.apply(declarations())
    wait_until(all_ready(cluster), 60, "everything ready")


def define_anew(cluster: ControlPlane) -> None:
    cluster.kubectl("delete", "crd", *KINDS, "--timeout=60s")
    define(cluster)


def define(cluster: ControlPlane) -> None:
    cluster.apply(CRDS)
    cluster.kubectl("wait", "--for=condition=Established", *(f"crd/{name}" for name in KINDS), "--timeout=20s")


def in_the_past(cluster: ControlPlane) -> bool:
    """Whether what is declared now gets a later creationTimestamp, which is in whole seconds, than the definitions."""
    created = (cluster.get("crd", name)["metadata"]["creationTimestamp"] for name in KINDS)
    return datetime.now(UTC) - max(map(datetime.fromisoformat, created)) >= timedelta(seconds=1)


def withheld(operator: OperatorProcess) -> bool:
    """Whether the operator has seen that declarations are gone, and stopped."""
    return operator.metric("breakwater_mass_deletion") == 1


def assert_kept(cluster: ControlPlane, before: dict[Any, Any], mark: int) -> None:
    """Same keys, and no Secret was even written."""
    assert keys(cluster) == before
    assert [line for line in writes(cluster, mark) if " secrets " in line] == []


def test_definitions_deleted_and_applied_again_under_a_running_operator_cost_no_key(cluster: ControlPlane) -> None:
    with OperatorProcess(cluster) as operator:
        settle(cluster)
        before, mark = keys(cluster), cluster.audit().mark()
        assert len(before) == 8
        define_anew(cluster)
        # Here a sync to an empty folder, or a deletion that was meant, looks the same: nothing may go by itself.
        wait_until(lambda: withheld(operator), 30, "the operator seeing the declarations gone")
        assert_kept(cluster, before, mark)
        settle(cluster)
        wait_until(lambda: not withheld(operator), 30, "the alarm ending")
        assert_kept(cluster, before, mark)


def test_definitions_and_resources_applied_again_at_once_cost_no_key(cluster: ControlPlane) -> None:
    with OperatorProcess(cluster):
        settle(cluster)
        before, mark = keys(cluster), cluster.audit().mark()
        define_anew(cluster)
        settle(cluster)
        assert_kept(cluster, before, mark)


def test_a_missing_definition_is_waited_for_and_its_kind_watched_again(cluster: ControlPlane) -> None:
    with OperatorProcess(cluster) as operator:
        settle(cluster)
        before, mark = keys(cluster), cluster.audit().mark()
        cluster.kubectl("delete", "crd", *KINDS, "--timeout=60s")
        wait_until(gone(cluster, "configmap", "platform-trust", "-n", PLACE), 60, "trust going with its authority")
        assert_kept(cluster, before, mark)
        assert operator.returncode is None
        define(cluster)
        settle(cluster)
        assert_kept(cluster, before, mark)
        wait_until(lambda: not withheld(operator), 30, "the alarm ending")
        wait_until(lambda: in_the_past(cluster), 5, "the definitions being older than what is declared next")
        cluster.apply(channel(PLACE, "late", deletionPolicy="Delete"))
        wait_until(all_ready(cluster), 10, "a channel that was declared later")
        cluster.apply(channel(PLACE, "late", deletionPolicy="Delete", output={"secretName": "late-out"}))
        wait_until(all_ready(cluster), 10, "a change to it")
        cluster.kubectl("delete", "chan", "late", "-n", PLACE)
        wait_until(gone(cluster, "secrets", "late-tls", "late-out", "-n", PLACE), 20, "what it had going with it")


def test_a_deletion_long_after_the_definitions_were_applied_again_needs_no_confirmation(cluster: ControlPlane) -> None:
    with OperatorProcess(cluster) as operator:
        settle(cluster)
        define_anew(cluster)
        wait_until(lambda: in_the_past(cluster), 5, "the definitions being older than what is declared next")
        settle(cluster)
        wait_until(lambda: not withheld(operator), 30, "the alarm ending")
        asked = len(list(events_of(cluster, "MassDeletion")))
        cluster.kubectl("delete", "chan", "web", "-n", PLACE)
        wait_until(gone(cluster, "secret", "web-tls", "-n", PLACE), 20, "its Secret going with it")
        assert len(list(events_of(cluster, "MassDeletion"))) == asked


def test_definitions_deleted_and_applied_again_while_the_operator_was_down_cost_no_key(cluster: ControlPlane) -> None:
    with OperatorProcess(cluster):
        settle(cluster)
    before, marked = keys(cluster), versions(cluster)
    define_anew(cluster)
    cluster.apply(declarations())
    mark = cluster.audit().mark()
    with OperatorProcess(cluster):
        wait_until(all_ready(cluster), 60, "everything ready")
        assert_kept(cluster, before, mark)
        assert versions(cluster) == marked
        assert {line.split()[1] for line in writes_but_status(cluster, mark)} <= {"configmaps"}


def test_definitions_without_resources_found_at_start_cost_no_key(cluster: ControlPlane) -> None:
    with OperatorProcess(cluster):
        settle(cluster)
    before = keys(cluster)
    define_anew(cluster)
    mark = cluster.audit().mark()
    with OperatorProcess(cluster) as operator:
        wait_until(lambda: withheld(operator), 30, "the operator seeing the declarations gone")
        assert_kept(cluster, before, mark)
        settle(cluster)
        wait_until(lambda: not withheld(operator), 30, "the alarm ending")
        assert_kept(cluster, before, mark)


def test_definitions_missing_at_start_cost_no_key(cluster: ControlPlane) -> None:
    with OperatorProcess(cluster):
        settle(cluster)
    before = keys(cluster)
    cluster.kubectl("delete", "crd", *KINDS, "--timeout=60s")
    mark = cluster.audit().mark()
    operator = OperatorProcess(cluster)
    operator.start()
    try:
        operator.wait_leading()
        assert_kept(cluster, before, mark)
        define(cluster)
        settle(cluster)
        wait_until(lambda: not withheld(operator), 30, "the alarm ending")
        assert_kept(cluster, before, mark)
        assert cluster.get("configmaps", "-n", PLACE, *OURS)["items"]
    finally:
        operator.stop()
