"""Lists and watches are cut in every way that a cluster cuts them; nothing that happened meanwhile is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.gap import Fault, Gap
from tests.cluster.harness import OperatorProcess, all_ready, authority, install
from tests.cluster.kubelet import Kubelet
from tests.controlplane import ControlPlane, wait_until
from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import Cut, Match, Reset, Silence, Truncate, WatchError, refusal

pytestmark = pytest.mark.alone

if TYPE_CHECKING:
    from collections.abc import Iterator

FAULTS = {
    "410-as-event": Fault(Silence(), Reset(), WatchError(code=410)),
    "410-as-status": Fault(Cut(), refusal(410), restarts=True),
    "500-as-event": Fault(Silence(), Reset(), WatchError(code=500), restarts=True),
    "500-as-status": Fault(Cut(), refusal(500)),
    "504-as-status": Fault(Cut(), refusal(504)),
    "401": Fault(Cut(), refusal(401)),
    "429-for-everything": Fault(Cut(), refusal(429, retry_after=2), asked=Match()),
    "resets": Fault(Reset(), Reset()),
    "truncated-lines": Fault(Truncate(after=40), Reset()),
    "silence": Fault(Silence()),
}
AFTER_A_LIST = 5.0
AT_WORST = 60.0
AT_ONCE = 8.0


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as cluster:
        install(cluster)
        cluster.apply(authority())
        yield cluster


@pytest.fixture(scope="module")
def kubelet(plane: ControlPlane, proxy: FaultProxy) -> Iterator[Kubelet]:
    with Kubelet(OperatorProcess(plane, server=proxy.url, ca_file=proxy.ca_file)) as running:
        wait_until(all_ready(plane, "bwca"), 30, "the authority being Ready")
        yield running


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_that_happens_in_a_gap_is_missed(
    plane: ControlPlane, proxy: FaultProxy, kubelet: Kubelet, name: str
) -> None:
    fault, ends = FAULTS[name], len(kubelet.exits)
    gap = Gap(plane, proxy, f"gap-{name}")
    gap.prepare()
    proxy.reset()

    gap.run(fault)

    proxy.clear()
    exits = kubelet.exits[ends:]
    ended = [round(end.at - gap.struck, 1) for end in exits]
    print(name, {effect: round(seconds, 1) for effect, seconds in gap.times.items()}, "ended after", ended)
    assert max(gap.times.values()) < AT_WORST
    if name != "silence":
        assert gap.times["deleted"] < AFTER_A_LIST
    assert bool(exits) == fault.restarts
    assert all(end.code for end in exits)
    assert all(seconds < AT_ONCE for seconds in ended)
