"""Fixtures of tests that need a cluster; a conftest imports them by name."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.controlplane.controlplane import ControlPlane
from tests.controlplane.existing import existing_cluster, requested_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.controlplane.cluster import Cluster

NODE = "node-1"


class FreshControlPlane(Protocol):
    """Starts a control plane of the test's own, with the options of `ControlPlane`; it ends with the test."""

    def __call__(self, **options: Any) -> ControlPlane: ...


@pytest.fixture(scope="session")
def controlplane() -> Iterator[Cluster]:
    """The cluster that tests share: controllers, scheduler and one node; or the one that CLUSTER names.

    Tests that share it take a namespace of their own and look at nothing else.
    """
    if context := requested_context():
        with existing_cluster(context) as existing:
            yield existing
        return
    with ControlPlane(controllers=True, scheduler=True, kwok=True) as own:
        own.add_node(NODE)
        yield own


@pytest.fixture
def fresh_controlplane() -> Iterator[FreshControlPlane]:
    """A factory of control planes for tests that stop them, audit them or fill them."""
    with contextlib.ExitStack() as started:

        def start(**options: Any) -> ControlPlane:
            return started.enter_context(ControlPlane(**options))

        yield start
