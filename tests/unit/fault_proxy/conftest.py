"""A fault proxy in front of a small server of our own, one for each module, without rules at the start of each test."""

from collections.abc import Iterator

import pytest

from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import WRITES
from tests.unit.fault_proxy.upstream import Upstream


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with Upstream(tmp_path_factory.mktemp("upstream")) as server:
        yield server


@pytest.fixture(scope="module")
def shared_proxy(upstream: Upstream) -> Iterator[FaultProxy]:
    with FaultProxy(upstream.url, upstream.ca_file) as running:
        yield running


@pytest.fixture
def proxy(shared_proxy: FaultProxy, upstream: Upstream) -> Iterator[FaultProxy]:
    shared_proxy.clear()
    shared_proxy.reset(WRITES)
    upstream.received.clear()
    yield shared_proxy
    shared_proxy.clear()
