"""A mistake that the schema cannot see is said in status, with its field and its remedy, and the remedy helps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.cluster.bad_input import PLACE, ROOT, Row, brought, chan, pair
from tests.cluster.bad_input_authorities import AUTHORITY_ROWS
from tests.cluster.bad_input_channels import CHANNEL_ROWS
from tests.cluster.bad_input_contents import CONTENT_ROWS
from tests.cluster.harness import NAMESPACE, OperatorProcess, authority, conditions, install, is_ready
from tests.cluster.ledger import namespace
from tests.controlplane import Cluster, ControlPlane, wait_until
from tests.kinds_bad_inputs import BAD_INPUTS

ROWS: Mapping[str, Row] = CHANNEL_ROWS | CONTENT_ROWS | AUTHORITY_ROWS
GOOD = (authority(), pair("brought", ROOT, NAMESPACE), brought("brought"), chan("first"))
RECOVERING = [name for name, row in ROWS.items() if row.mended or row.gone]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    with ControlPlane() as made:
        install(made)
        namespace(made, PLACE)
        with OperatorProcess(made) as operator:
            made.apply(GOOD)
            wait_until(lambda: all(is_ready(_live(made, item)) for item in GOOD if "spec" in item), 30, "the good ones")
            made.apply([item for row in ROWS.values() for item in row.beside])
            made.apply([row.about for row in ROWS.values()])
            yield made
            assert operator.metric("breakwater_bugs_total") == 0
            assert operator.metric("breakwater_plan_not_converging_total") == 0


def _live(cluster: Cluster, manifest: Mapping[str, Any]) -> dict[str, Any]:
    metadata = manifest["metadata"]
    place = ("-n", metadata["namespace"]) if "namespace" in metadata else ()
    live: dict[str, Any] = cluster.get(manifest["kind"], metadata["name"], *place)
    return live


def _says(cluster: Cluster, row: Row) -> Mapping[str, Any]:
    live = _live(cluster, row.about)
    observed = (live.get("status") or {}).get("observedGeneration")
    return conditions(live).get(row.condition, {}) if observed == live["metadata"]["generation"] else {}


@pytest.mark.parametrize("name", ROWS)
def test_a_mistake_is_told_with_its_field_and_remedy(cluster: Cluster, name: str) -> None:
    row = ROWS[name]
    wait_until(
        lambda: _says(cluster, row).get("reason") == row.reason,
        20,
        f"{row.condition} with {row.reason}; it says {dict(_says(cluster, row))}",
    )
    told = _says(cluster, row)
    assert told["status"] == ("Unknown" if row.condition == "Proven" else "False")
    assert row.field in told["message"]
    assert row.remedy in told["message"]
    ready = conditions(_live(cluster, row.about))["Ready"]
    assert (ready["status"] == "False") is (row.condition in ("Ready", "Accepted"))


def test_the_good_ones_are_ready_beside_all_mistakes(cluster: Cluster) -> None:
    assert all(is_ready(_live(cluster, item)) for item in GOOD if "spec" in item)


@pytest.mark.parametrize("name", RECOVERING)
def test_the_remedy_helps(cluster: Cluster, name: str) -> None:
    row = ROWS[name]
    if row.gone:
        kind, thing, place = row.gone
        cluster.kubectl("delete", kind, thing, "-n", place)
    if row.mended:
        cluster.apply(list(row.mended))
    wait_until(lambda: is_ready(_live(cluster, row.about)), 20, f"{name} being Ready")
    assert conditions(_live(cluster, row.about))["Accepted"]["status"] == "True"


def test_there_are_enough_of_them() -> None:
    assert len(BAD_INPUTS) >= 150
    assert len(ROWS) >= 55
    kinds = {row.kind for row in BAD_INPUTS} & {row.about["kind"] for row in ROWS.values()}
    assert kinds == {"CertificateAuthority", "CommunicationChannel", "RotationSchedule"}
