"""A certificate that lives for 90 seconds, for five minutes: valid at each moment, its consumer always there."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.cluster.harness import OperatorProcess
from tests.cluster.ledger import namespace
from tests.cluster.rolling import (
    QUICK,
    apply_and_settle,
    await_current,
    consumer,
    flow,
    running_pods,
    schedule,
    short_lived,
    watching,
)
from tests.cluster.second_client import SecondClient, secret
from tests.cluster.suite import generation
from tests.controlplane import ControlPlane, wait_until

MINUTES = 5
LEAF_SECONDS = 90
SPACE = "brief"


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with running_pods() as made:
        made.apply(schedule(**QUICK))
        namespace(made, SPACE)
        yield made


def test_a_certificate_of_ninety_seconds_for_five_minutes(plane: ControlPlane) -> None:
    authority = short_lived(f"{LEAF_SECONDS}s") | {"metadata": {"name": "brief"}}
    server = {"secretName": "a-tls", "authorityRef": {"name": "brief"}, "dnsNames": [f"a.{SPACE}.svc"]}
    encryption = {"trust": {"authorityRef": {"name": "brief"}}, "serverCertificate": server}
    with OperatorProcess(plane) as operator, SecondClient(plane.admin_kubeconfig) as client:
        operator.wait_leading()
        plane.apply([authority, flow(SPACE, "a", encryption=encryption)])
        apply_and_settle(plane, consumer(SPACE, "app", "a-tls"))
        with watching(plane.admin_kubeconfig, SPACE) as seen:
            plane.apply(flow(SPACE, "a", "app", encryption=encryption))
            await_current(plane, SPACE, "a")
            before = _generation(client)
            ends = time.monotonic() + 60 * MINUTES
            while time.monotonic() < ends:
                _assert_valid_pair(client)
                time.sleep(0.5)
            renewals = _generation(client) - before
            wait_until(lambda: seen.restarts["app"] == _generation(client) - before, 30, "the last restart")
        print(f"{renewals} renewals in {MINUTES} minutes, {seen.restarts['app']} restarts")
        assert renewals >= 60 * MINUTES // LEAF_SECONDS
        assert seen.unavailable == []


def _generation(client: SecondClient) -> int:
    return generation(client.get(secret(SPACE, "a-tls")))


def _assert_valid_pair(client: SecondClient) -> None:
    data = client.data(secret(SPACE, "a-tls"))
    certificate = x509.load_pem_x509_certificate(data["tls.crt"])
    key = load_pem_private_key(data["tls.key"], None)
    assert certificate.public_key() == key.public_key()
    assert certificate.not_valid_before_utc <= dt.datetime.now(dt.UTC) < certificate.not_valid_after_utc
