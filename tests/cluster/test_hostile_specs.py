"""Whatever the API server stores, the operator plans it and lives, and good neighbours notice nothing."""

from __future__ import annotations

import base64
import random
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from breakwater.pki import Algorithm, RootRequest, issue_root
from tests.cluster.bulk_client import GROUP, Answer, BulkClient
from tests.cluster.harness import (
    NAMESPACE,
    OperatorProcess,
    all_ready,
    authority,
    channel,
    conditions,
    install,
    is_ready,
)
from tests.cluster.hostile_specs import AUTHORITIES, CHANNELS, LONG_LABEL, SCHEDULES, Pools, Spec, drawn, statuses
from tests.cluster.hostile_specs import authorities as hostile_authorities
from tests.cluster.hostile_specs import channels as hostile_channels
from tests.cluster.hostile_specs import schedules as hostile_schedules
from tests.cluster.ledger import namespace
from tests.controlplane import ControlPlane, wait_until

pytestmark = pytest.mark.alone

LEAST = 500
MANY_CHANNELS, MANY_AUTHORITIES, MANY_SCHEDULES, MANY_STATUSES = 500, 150, 60, 60
GOOD = 6
SEED = 8
PLACES = ("hostile", LONG_LABEL)
POOLS = Pools(
    authorities=("platform", "elliptic"),
    secrets=("login", "empty", "garbage", "huge", "deep", "serial"),
    config_maps=("roots", "roots", "noise", "many", "lines"),
)


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _prepared(place: str) -> list[dict[str, Any]]:
    noise = random.Random(SEED)  # noqa: S311 - the same noise each time
    garbage, huge = noise.randbytes(4096), b"-----BEGIN CERTIFICATE-----\n" + b"QUJD" * 150_000 + b"\n"
    deep = base64.encodebytes(b"\x30\x84\x7f\xff\xff\xff" * 500)
    contents = {
        "login": {"username": b"app", "password": b"p"},
        "empty": {},
        "garbage": {"tls.crt": garbage, "tls.key": garbage, "username": garbage, "password": garbage},
        "huge": {"tls.crt": huge, "tls.key": b"x", "username": b"u", "password": b"p" * 100_000},
        "serial": _longest_serial(),
        "deep": {"tls.crt": b"-----BEGIN CERTIFICATE-----\n" + deep + b"-----END CERTIFICATE-----\n", "tls.key": deep},
    }
    secrets = [
        _manifest("Secret", name, place, {key: _encoded(value) for key, value in data.items()})
        for name, data in contents.items()
    ]
    noise_map = _manifest("ConfigMap", "noise", place, {"ca.crt": "\u202e" * 5000, ".k": "-----BEGIN"})
    roots = {"ca.crt": _authority_pem(), "k" * 253: ""}
    crowd = {"many": _authority_pem() * 1200, "lines": "\n" * 900_000}
    crowds = [_manifest("ConfigMap", name, place, {"ca.crt": text}) for name, text in crowd.items()]
    return [*secrets, *crowds, noise_map, _manifest("ConfigMap", "roots", place, roots)]


@cache
def _authority_pem() -> str:
    request = RootRequest(common_name="brought", algorithm=Algorithm.ECDSA_P256, lifetime=timedelta(days=9))
    return issue_root(request, datetime.now(UTC)).certificate_pem.decode()


@cache
def _longest_serial() -> dict[str, bytes]:
    """A certificate whose serial number is thrice as long as RFC 5280 allows."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=serial"]
        options += ["-set_serial", "0x" + "7f" * 60, "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(["openssl", "req", "-x509", *options], check=True, capture_output=True)
        return {"tls.crt": certificate.read_bytes(), "tls.key": key.read_bytes()}


def _manifest(kind: str, name: str, place: str, data: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": place}, "data": data}


def _names(prefix: str) -> Iterator[str]:
    """Names at both limits: short ones, ones with dots, and ones as long as a label may be."""
    number = 0
    while True:
        number += 1
        stem = f"{prefix}{number}"
        yield (stem, f"{stem}.{number}-x", stem.ljust(63, "y"))[number % 3]


def _resources(kind: str, specs: list[Spec], prefix: str) -> list[dict[str, Any]]:
    made = []
    for number, (name, spec) in enumerate(zip(_names(prefix), specs, strict=False)):
        metadata: dict[str, Any] = {"name": name, "annotations": {"a": "\u202e\u0000\U0001f512"[: number % 4]}}
        if kind != "CertificateAuthority":
            metadata["namespace"] = PLACES[number % 2]
        made.append({"apiVersion": "breakwater.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
    return made


class Scene:
    """An operator with good resources that are Ready, and the means to put hostile ones beside them."""

    def __init__(self, cluster: ControlPlane, operator: OperatorProcess, client: BulkClient) -> None:
        self.operator = operator
        self.client = client
        self.pid = operator.pid
        self._cluster = cluster
        self.before = self.good()

    def good(self) -> dict[str, Mapping[str, Any]]:
        """The condition Ready of each good resource."""
        items = self._cluster.get("chan", "-n", "good")["items"] + [self._cluster.get("bwca", "platform")]
        return {item["metadata"]["name"]: conditions(item)["Ready"] for item in items}

    def resources(self) -> dict[str, dict[str, Any]]:
        """All resources of ours by uid."""
        kinds = (CHANNELS, AUTHORITIES, SCHEDULES)
        found = [item for plural in kinds for item in self.client.items(f"{GROUP}/{plural}")]
        return {item["metadata"]["uid"]: item for item in found}

    def unplanned(self, stored: list[Answer]) -> list[str]:
        """Those whose status does not speak of their present generation."""
        assert self.operator.returncode is None, self.operator.log_text[-3000:]
        live = self.resources()
        return [
            live[uid]["metadata"]["name"]
            for uid in (answer.body["metadata"]["uid"] for answer in stored)
            if not _is_planned(live[uid])
        ]

    def assert_unharmed(self) -> None:
        """The same process, without a bug, and good resources that were Ready all the time."""
        assert self.operator.returncode is None, self.operator.log_text[-3000:]
        bugs = [line for line in self.operator.lines() if line.get("message") == "bug"]
        assert not bugs, str(bugs[0])[:3000]
        assert self.operator.metric("breakwater_bugs_total") == 0
        assert self.operator.pid == self.pid
        assert all(is_ready(item) for item in self._cluster.get("chan", "-n", "good")["items"])
        # The time of transition moves when a status does: Ready has been true since before.
        assert {name: ready["lastTransitionTime"] for name, ready in self.good().items()} == {
            name: ready["lastTransitionTime"] for name, ready in self.before.items()
        }


def _is_planned(item: Mapping[str, Any]) -> bool:
    status = item.get("status") or {}
    return status.get("observedGeneration") == item["metadata"]["generation"] and bool(status.get("conditions"))


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with ControlPlane() as cluster:
        install(cluster)
        for place in ("good", *PLACES):
            namespace(cluster, place)
        for place in (*PLACES, NAMESPACE):
            cluster.apply(_prepared(place))
        good = [channel("good", f"good-{number}") for number in range(GOOD)]
        # Not the Lease is on trial here: on a machine at its limit it may be lost, which ends the process as it should.
        with OperatorProcess(cluster, lease_duration=120) as operator, BulkClient(cluster.admin_kubeconfig) as client:
            cluster.apply(
                [authority(trust={"namespaceSelector": {}}), authority("elliptic", algorithm="Ed25519"), *good]
            )
            wait_until(all_ready(cluster), 60, "the good ones being Ready")
            yield Scene(cluster, operator, client)


@pytest.fixture(scope="module")
def stored(scene: Scene) -> list[Answer]:
    """Hostile resources, those that the API server took."""
    channels = drawn(hostile_channels(POOLS), MANY_CHANNELS)
    authorities = drawn(hostile_authorities(POOLS), MANY_AUTHORITIES)
    schedules = drawn(hostile_schedules(POOLS), MANY_SCHEDULES)
    manifests = [
        *_resources("CertificateAuthority", authorities, "a"),
        *_resources("RotationSchedule", schedules, "r"),
        *_resources("CommunicationChannel", channels, "c"),
    ]
    answers = scene.client.create(manifests)
    assert {answer.code for answer in answers} == {201, 422}, "stored, or refused for what they say"
    return [answer for answer in answers if answer.code == 201]


def test_hostile_specs_are_planned_and_harm_nobody(scene: Scene, stored: list[Answer]) -> None:
    assert len(stored) >= LEAST
    wait_until(lambda: not scene.unplanned(stored), 120, "every stored spec being planned")
    scene.assert_unharmed()


def test_a_hostile_status_is_replaced_and_harms_nobody(scene: Scene, stored: list[Answer]) -> None:
    made = [
        (answer.body, status)
        for kind, plural in (
            ("CommunicationChannel", CHANNELS),
            ("CertificateAuthority", AUTHORITIES),
            ("RotationSchedule", SCHEDULES),
        )
        for answer, status in zip(
            (answer for answer in stored if answer.body["kind"] == kind),
            drawn(statuses(plural, POOLS), MANY_STATUSES),
            strict=False,
        )
    ]
    answers = [answer for answer in scene.client.patch_status(made) if answer.code == 200]
    assert len(answers) >= MANY_STATUSES
    wait_until(lambda: not scene.unplanned(answers), 60, "every status being the operator's again")
    scene.assert_unharmed()
