"""What a policy is refused on its way into force is told with its remedy, binds nothing half, and is made up for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.cluster.hardening_scene import await_bound, enforced, made, pod, policy, tried
from tests.cluster.harness import OperatorProcess, install
from tests.cluster.ledger import namespace
from tests.controlplane import ControlPlane, wait_until
from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import Action, Match, Reset, Truncate, refusal

GROUP = "admissionregistration.k8s.io"
FORBIDDEN = 'is forbidden: User "breakwater" cannot patch resource'
PATCH, TRY = "patch", "create"

REFUSALS: Mapping[str, tuple[str, str, Action, tuple[str, ...]]] = {
    "policy-forbidden": (
        PATCH,
        "mutatingadmissionpolicies",
        refusal(403, f"mutatingadmissionpolicies {FORBIDDEN}"),
        ("MutatingAdmissionPolicy breakwater-policy-forbidden-", "grant its service account that right"),
    ),
    "binding-forbidden": (
        PATCH,
        "validatingadmissionpolicybindings",
        refusal(403, f"validatingadmissionpolicybindings {FORBIDDEN}"),
        ("ValidatingAdmissionPolicyBinding breakwater-binding-forbidden-", "grant its service account that right"),
    ),
    "binding-policed": (
        PATCH,
        "mutatingadmissionpolicybindings",
        refusal(403, 'ValidatingAdmissionPolicy "frozen" denied request: no bindings today'),
        ("no bindings today", "adapt that policy"),
    ),
    "policy-broken": (PATCH, "validatingadmissionpolicies", refusal(500), ("answered 500; trying again",)),
    "policy-crowded": (PATCH, "validatingadmissionpolicies", refusal(429, retry_after=1), ("asked to wait",)),
    "binding-cut-off": (PATCH, "mutatingadmissionpolicybindings", Reset(), ("did not answer; trying again",)),
    "trial-forbidden": (TRY, "pods", refusal(403, f"pods {FORBIDDEN}"), ("nothing is bound",)),
    "trial-broken": (TRY, "pods", refusal(500), ("nothing is bound",)),
    "trial-cut-off": (TRY, "pods", Reset(), ("nothing is bound",)),
}


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as made_now:
        install(made_now)
        yield made_now


@pytest.fixture(scope="module")
def operator(plane: ControlPlane, proxy: FaultProxy) -> Iterator[OperatorProcess]:
    with OperatorProcess(plane, server=proxy.url, ca_file=proxy.ca_file) as running:
        running.wait_leading()
        yield running
        assert running.metric("breakwater_bugs_total") == 0


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_told_refuses_no_pod_and_ends_in_one_pair(
    plane: ControlPlane, proxy: FaultProxy, operator: OperatorProcess, name: str
) -> None:
    verb, resource, action, words = REFUSALS[name]
    rule = proxy.add(Match(user_agent="breakwater/", verb=verb, resource=resource), action)
    namespace(plane, name)
    plane.apply(policy(name))

    def message() -> str:
        return str(enforced(plane, name).get("message", ""))

    wait_until(lambda: all(each in message() for each in words), 40, f"{name} telling {words}")
    assert enforced(plane, name)["status"] != "True"
    assert tried(plane, pod(name, "as-before", {"runAsUser": 0})) == "", "half a pair holds nobody to anything"

    proxy.remove(rule)
    pair = await_bound(plane, name)
    wait_until(lambda: len(made(plane, f"breakwater-{name}-")) == 4, 40, "what was for the trial going")
    assert {item.rpartition("/")[2] for item in made(plane, f"breakwater-{name}-")} == {pair}


LOST: Mapping[str, Action] = {"request": Reset(), "answer": Truncate(after=2)}


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("resource", ["mutatingadmissionpolicies", "validatingadmissionpolicybindings"])
def test_what_is_lost_on_its_way_makes_no_second_pair(
    plane: ControlPlane, proxy: FaultProxy, operator: OperatorProcess, resource: str, lost: str
) -> None:
    name = namespace(plane, f"lost-{lost}-{'binding' if resource.endswith('bindings') else 'policy'}")
    mark = plane.audit().mark()
    rule = proxy.add(Match(user_agent="breakwater/", verb=PATCH, resource=resource), LOST[lost], times=1)
    plane.apply(policy(name))
    proxy.wait_applied(rule)
    pair = await_bound(plane, name)
    wait_until(lambda: len(made(plane, f"breakwater-{name}-")) == 4, 40, "what was for the trial going")
    assert {item.rpartition("/")[2] for item in made(plane, f"breakwater-{name}-")} == {pair}
    created = [
        (event.resource, event.name)
        for event in plane.audit().events(mark)
        if (event.group, event.verb, event.code) == (GROUP, "patch", 201) and f"-{name}-" in event.name
    ]
    assert len(created) == len(set(created)) == 8, "two policies, and their bindings in three phases: each made once"
