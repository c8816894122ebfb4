from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest

from breakwater.probes.address import AddressContext
from breakwater.probes.measure import measure
from breakwater.probes.reasons import MeasurementResult
from breakwater.probes.request import Addresses, NegativeKind, NegativeProbe, TlsProbe
from tests.unit.probes.authority import Authority

LOOPBACK = AddressContext(allow=(ip_network("127.0.0.0/8"),))
NAME = "web.bpm.svc"


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def foreign() -> Authority:
    return Authority()


@pytest.fixture
def probe(authority: Authority) -> TlsProbe:
    return TlsProbe(
        protocol="HTTPS",
        server_name=NAME,
        port=443,
        target=Addresses(("127.0.0.1",), "web.bpm.svc"),
        trust_pem=authority.pem,
        timeout=5,
    )


Run = Callable[..., Any]


@pytest.fixture
def run(probe: TlsProbe) -> Run:
    """Measure the usual probe with some fields changed, with loopback allowed."""

    async def measured(kind: NegativeKind | None = None, **changes: Any) -> MeasurementResult:
        changed = replace(probe, **changes)
        request = NegativeProbe(kind, changed) if kind else changed
        return await measure(request, LOOPBACK, datetime.now(UTC))

    return measured
