"""Nothing secret gets out, in whatever form, by whatever way people or machines watch the operator."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.cluster.canaries import Canary
from tests.cluster.canary_scene import (
    HOME,
    PLACES,
    PLANTED,
    REASONS,
    WORDS,
    add_faults,
    made,
    manifests,
    quoting_policy,
)
from tests.cluster.harness import OperatorProcess, conditions, install
from tests.cluster.ledger import OURS, namespace
from tests.controlplane import ControlPlane, KubectlError, wait_until
from tests.controlplane.proxy_client import FaultProxy

GENERATED = 5


@dataclass(frozen=True)
class Seen:
    """All that can be seen of an operator, by where it is seen, and what must not be in it."""

    ways: Mapping[str, str]
    canaries: tuple[Canary, ...]
    secrets: str
    log: list[Mapping[str, Any]]


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    with ControlPlane() as cluster:
        install(cluster)
        for place in PLACES:
            namespace(cluster, place)
        authority = cluster.workdir / "api-server.pem"
        authority.write_text(cluster.ca_pem)
        with FaultProxy(cluster.url, authority) as proxy:
            add_faults(proxy)
            cluster.apply(quoting_policy())
            wait_until(lambda: _policy_works(cluster), 30, "the quoting policy being in force")
            operator = OperatorProcess(cluster, server=proxy.url, ca_file=proxy.ca_file, log_level="debug")
            with operator:
                yield _look(cluster, operator)


def _policy_works(cluster: ControlPlane) -> bool:
    try:
        cluster.kubectl(
            *(
                "create",
                "secret",
                "generic",
                "x-binding",
                "-n",
                "echo",
                "--from-literal=password=abc",
                "--dry-run=server",
            )
        )
    except KubectlError as error:
        return "too weak: " in str(error)
    return False


def _look(cluster: ControlPlane, operator: OperatorProcess) -> Seen:
    cluster.apply(manifests())
    wait_until(lambda: not _behind(cluster), 60, f"every channel saying what it should: {_behind(cluster)}")
    _append_to_binding(cluster)
    cluster.kubectl("annotate", "chan", "generated", "-n", HOME, "woken=yes")
    wait_until(lambda: any(operator.lines("not readable")), 20, "the torn answer being met")
    data = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): {
            key: base64.b64decode(value) for key, value in (item.get("data") or {}).items()
        }
        for item in cluster.get("secrets", "-A")["items"]
    }
    canaries = (*PLANTED, *made(lambda place, name: data[place, name], _token(operator)))
    resources = cluster.get("bwca,chan", "-A")["items"]
    ours = cluster.get("secrets,configmaps,clustertrustbundles", "-A", *OURS)["items"]
    ways = {
        "log": operator.log_text,
        "events": json.dumps(cluster.get("events.events.k8s.io", "-A"), ensure_ascii=False),
        "status": json.dumps([item.get("status") for item in resources], ensure_ascii=False),
        "metrics": operator.get("/metrics")[1],
        "health": operator.get("/readyz")[1] + operator.get("/healthz")[1],
        "metadata of what it made": json.dumps([item["metadata"] for item in ours], ensure_ascii=False),
        "what it made besides Secrets": json.dumps([item for item in ours if item["kind"] != "Secret"]),
    }
    return Seen(ways, canaries, repr(data), list(operator.lines()))


def _behind(cluster: ControlPlane) -> dict[tuple[str, str], tuple[str, str]]:
    """The channels that do not say what they should, with what they say."""
    found = {}
    for item in cluster.get("chan", "-A")["items"]:
        key = item["metadata"]["namespace"], item["metadata"]["name"]
        ready = conditions(item).get("Ready", {})
        found[key] = ready.get("status", ""), ready.get("reason", "")
    return {key: found.get(key, ("", "")) for key, wanted in REASONS.items() if found.get(key) != wanted}


def _append_to_binding(cluster: ControlPlane) -> None:
    """Somebody adds an entry of his own, and damages one of ours, so that the whole Secret is written again."""
    added = {"data": {"extra": base64.b64encode(WORDS["appended"]).decode(), "host": "eA=="}}
    binding = ("secret", "login-binding", "-n", HOME)
    cluster.kubectl("patch", *binding, "--type=merge", "-p", json.dumps(added))
    wait_until(lambda: cluster.get(*binding)["data"]["host"] != "eA==", 20, "the binding being repaired")
    assert cluster.get(*binding)["data"]["extra"] == added["data"]["extra"]


def _token(operator: OperatorProcess) -> str:
    return str(yaml.safe_load(operator._kubeconfig.read_text())["users"][0]["user"]["token"])


CANARIES = [*(canary.place for canary in PLANTED), *(f"generated {number}" for number in range(GENERATED))]


@pytest.mark.parametrize("number", range(len(CANARIES)), ids=CANARIES)
def test_a_secret_is_seen_nowhere(seen: Seen, number: int) -> None:
    canary = seen.canaries[number]
    leaks = {way: canary.leaks_in(text) for way, text in seen.ways.items()}
    assert not {way: forms for way, forms in leaks.items() if forms}, canary.place


def test_the_search_would_find_each_of_them(seen: Seen) -> None:
    stored = [canary for canary in seen.canaries if canary.leaks_in(seen.secrets)]
    apart = {"token of the operator", "the same key, decrypted", "last-applied annotation of a Secret"}
    apart |= {"entry beside a bundle in a ConfigMap", "key in a ConfigMap given as bundle"}
    assert {canary.place for canary in seen.canaries} - {canary.place for canary in stored} == apart
    assert len(seen.canaries) == len(CANARIES) >= 20
    for canary in seen.canaries:
        encoded = base64.b64encode(b"password: " + canary.content + b"\n").decode()
        assert canary.leaks_in(encoded), "also inside of something that was encoded as a whole"
        assert canary.leaks_in(canary.content.hex())


def test_everything_that_could_tell_a_secret_has_spoken(seen: Seen) -> None:
    levels = {line.get("level") for line in seen.log}
    assert {"debug", "info", "warning", "error"} <= levels
    assert any("Traceback" in str(line.get("traceback")) for line in seen.log if line["message"] == "bug")
    assert seen.ways["events"].count("AdmissionRefused") >= 2
    assert seen.ways["status"].count("not repeated here") >= 2, "two refusals quoted the password"
    assert "PRIVATE KEY" not in seen.ways["status"]
    assert 'breakwater_bugs_total{kind="CommunicationChannel"}' in seen.ways["metrics"]
