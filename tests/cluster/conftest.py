import zlib
from collections.abc import Iterator

import pytest

from tests.cluster.ledger import namespace
from tests.cluster.standards_scene import standards
from tests.controlplane import ControlPlane
from tests.controlplane.fixtures import controlplane, fresh_controlplane
from tests.controlplane.proxy_client import FaultProxy

__all__ = ["controlplane", "fresh_controlplane", "standards"]


@pytest.fixture(scope="module")
def proxy(plane: ControlPlane) -> Iterator[FaultProxy]:
    """Between an operator and the control plane of a module's own."""
    with FaultProxy(plane.url, plane.workdir / "pki" / "ca.crt") as running:
        yield running


@pytest.fixture
def space(plane: ControlPlane, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    return namespace(plane, f"s-{zlib.crc32(request.node.name.encode()):08x}")
