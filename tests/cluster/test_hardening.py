"""A HardeningPolicy on a real control plane: pods that come up hardened, refusals, trials, swaps, and its end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster.hardening_scene import (
    BINDINGS,
    HARDENED_CONTAINER,
    HARDENED_POD,
    ROOT,
    BrokenOperator,
    asking,
    await_bound,
    await_reason,
    await_refusal,
    enforced,
    made,
    pod,
    pods_of,
    policy,
    settle,
    status,
    tried,
    workload,
)
from tests.cluster.harness import CRDS, NAMESPACE, OperatorProcess
from tests.cluster.ledger import complaints, gone, namespace, still, writes, writes_but_status
from tests.cluster.rolling import apply_and_settle, running_pods
from tests.controlplane import ControlPlane, wait_until

QUIET_SECONDS = 15


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with running_pods() as own:
        yield own


def running(plane: ControlPlane) -> OperatorProcess:
    return OperatorProcess(plane, lease_duration=4)


def test_pods_of_a_root_deployment_come_up_conforming_and_its_template_stays(plane: ControlPlane) -> None:
    place = namespace(plane, "suite")
    with running(plane):
        plane.apply(policy(place))
        pair = await_bound(plane, place)
        apply_and_settle(plane, workload(place, "app"))
        pods = pods_of(plane, place, "app")
        assert [item["spec"]["securityContext"] for item in pods] == [HARDENED_POD] * 2
        assert [item["spec"]["containers"][0]["securityContext"] for item in pods] == [HARDENED_CONTAINER] * 2
        mark = f"hardened-by.breakwater.dev/{place}"
        assert {item["metadata"]["annotations"][mark] for item in pods} == {pair.rpartition("-")[2]}
        template = plane.get("deployment", "app", "-n", place)["spec"]["template"]["spec"]
        assert template["securityContext"] == {}
        assert "securityContext" not in template["containers"][0]
        counts = {"judged": 2, "conforming": 2, "violating": 0, "unknown": 0}
        wait_until(lambda: status(plane, place).get("pods") == counts, 20, "the pods being judged")


def test_explicit_root_is_refused_in_words_that_name_policy_and_field(plane: ControlPlane) -> None:
    place = namespace(plane, "explicit")
    with running(plane):
        plane.apply(policy(place))
        await_bound(plane, place)
        plane.apply(workload(place, "app", ROOT))
        refusal = await_refusal(plane, place, "app")
        assert f"HardeningPolicy {place}: runAsUser: securityContext.runAsUser" in refusal
        assert "must not be 0; set another user or remove it" in refusal
        assert pods_of(plane, place, "app") == []


def test_baseline_refuses_explicit_root_where_defaults_ask_for_another_user(plane: ControlPlane) -> None:
    place = namespace(plane, "baseline")
    with running(plane):
        defaults = {"runAsNonRoot": True}
        plane.apply(policy(place, profile={"level": "Baseline"}, podDefaults=defaults))
        await_bound(plane, place)
        assert "securityContext.runAsUser" in tried(plane, pod(place, "root", ROOT))
        assert "privileged" in tried(plane, pod(place, "privileged", {"privileged": True}))
        apply_and_settle(plane, workload(place, "user", {"runAsUser": 7}), workload(place, "image"))
        contexts = [pods_of(plane, place, app)[0]["spec"]["securityContext"] for app in ("user", "image")]
        assert contexts == [{"runAsNonRoot": True}, {}], "who runs as what its image says is left alone"

        def unknown() -> list[str]:
            return [item["workload"] for item in status(plane, place).get("unknown") or ()]

        wait_until(lambda: unknown() == ["Deployment/image"], 20, "the pod that nobody can tell of")


def test_what_a_pod_declares_is_never_changed(plane: ControlPlane) -> None:
    place = namespace(plane, "declared")
    own = {
        "runAsUser": 7,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
    }
    with running(plane):
        plane.apply(policy(place))
        await_bound(plane, place)
        whole = {"runAsNonRoot": True, "runAsUser": 8, "fsGroup": 9, "seccompProfile": {"type": "RuntimeDefault"}}
        plane.apply(pod(place, "own", own, securityContext=whole))
        stored = plane.get("pod", "own", "-n", place)["spec"]
        assert (stored["securityContext"], stored["containers"][0]["securityContext"]) == (whole, own)


def test_observe_writes_nothing_but_status_and_names_the_fields(plane: ControlPlane) -> None:
    place = namespace(plane, "observed")
    apply_and_settle(plane, workload(place, "app", ROOT, replicas=3))
    mark = plane.audit().mark()
    with running(plane):
        plane.apply(policy(place, mode="Observe"))
        wait_until(lambda: (status(plane, place).get("pods") or {}).get("judged") == 3, 20, "the pods being judged")
        settle(3)
        assert [line for line in writes_but_status(plane, mark) if "leases" not in line] == []
    found = {item["check"]: (item["workload"], item["fields"]) for item in status(plane, place)["violations"]}
    assert found["runAsUser"] == ("Deployment/app", ["spec.containers[0].securityContext.runAsUser"])
    assert status(plane, place)["changes"][0]["fields"] == [
        "spec.securityContext.runAsUser: 10001",
        "spec.securityContext.fsGroup: 10001",
        "spec.securityContext.seccompProfile.type: RuntimeDefault",
        "spec.containers[0].securityContext.allowPrivilegeEscalation: false",
        "spec.containers[0].securityContext.capabilities.drop: [ALL]",
    ]
    assert enforced(plane, place)["reason"] == "Observed"


def test_back_to_observe_what_is_bound_stays_and_goes_with_its_policy(plane: ControlPlane) -> None:
    place = namespace(plane, "back")
    with running(plane):
        plane.apply(policy(place))
        pair = await_bound(plane, place)
        mark = still(plane, 3)
        plane.apply(policy(place, mode="Observe"))
        assert f"{pair} stays bound" in await_reason(plane, place, "Observed")
        plane.apply(policy(place, mode="Observe", podDefaults={"runAsNonRoot": True}))
        await_reason(plane, place, "Observed")
        settle(3)
        assert [line for line in writes_but_status(plane, mark) if "leases" not in line] == []
        assert len(made(plane, pair)) == 4
        assert "HardeningPolicy" in tried(plane, pod(place, "root", ROOT))
        plane.kubectl("delete", "harden", place)
        wait_until(lambda: not made(plane, f"breakwater-{place}-"), 20, "its objects being collected")
        wait_until(lambda: not tried(plane, pod(place, "root", ROOT)), 20, "root being admitted")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("mutating", "no such key: supplementalGroups"),
        ("validating", "no such key: supplementalGroups"),
        ("forgetful", "leaves out spec.securityContext.fsGroup"),
        ("mistyped", "undefined field 'hostNetworks'"),
    ],
)
def test_a_broken_expression_is_never_bound_and_the_old_pair_stays(plane: ControlPlane, part: str, said: str) -> None:
    place = namespace(plane, f"broken-{part}")
    with running(plane):
        plane.apply(policy(place))
        pair = await_bound(plane, place)
    with BrokenOperator(plane, part):
        message = await_reason(plane, place, "TrialFailed")
        assert said in message
        assert f"{pair} stays bound" in message
        broken = f"{pair}-broken"
        bindings = [f"{kind}/{name}" for kind in BINDINGS.split(",") for name in (pair, f"{broken}-trial")]
        assert made(plane, pair, BINDINGS) == sorted(bindings)
        apply_and_settle(plane, workload(place, "app"))
    with running(plane):
        wait_until(lambda: not made(plane, broken), 40, "the broken pair being removed")
        assert await_bound(plane, place) == pair


def test_a_changed_spec_swaps_the_pair_without_a_moment_unbound(plane: ControlPlane) -> None:
    place = namespace(plane, "swapped")
    with running(plane):
        plane.apply(policy(place))
        before = await_bound(plane, place)
        with asking(plane, pod(place, "root", ROOT)) as answers:
            plane.apply(policy(place, podDefaults={"runAsNonRoot": True, "runAsUser": 20002}))
            wait_until(lambda: await_bound(plane, place) != before, 40, "the new pair being bound")
            wait_until(lambda: not made(plane, before), 20, "the old pair being removed")
        assert len(answers) > 8
        assert [answer for answer in answers if "runAsUser" not in answer] == []
        assert len(made(plane, f"breakwater-{place}-")) == 4


def test_nothing_outside_of_the_selected_namespaces_is_touched(plane: ControlPlane) -> None:
    place = namespace(plane, "everywhere")
    declaration = policy(place, namespaceSelector={})
    with running(plane):
        plane.apply(declaration)
        await_bound(plane, place)
        assert "HardeningPolicy" in tried(plane, pod(place, "root", ROOT))
        for system in ("kube-system", "kube-public", "kube-node-lease"):
            assert not tried(plane, pod(system, "root", {"privileged": True}))
        context = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        plane.apply(pod(NAMESPACE, "own", HARDENED_CONTAINER, securityContext=context))
        stored = plane.get("pod", "own", "-n", NAMESPACE)
        assert not stored["metadata"].get("annotations")
        assert stored["spec"]["securityContext"] == context
        plane.kubectl("delete", "pod", "own", "-n", NAMESPACE, "--wait=false")
        plane.kubectl("delete", "harden", place)
        wait_until(lambda: not made(plane, f"breakwater-{place}-"), 20, "its objects being collected")
        # It means all namespaces, those of other tests too, until the API server has forgotten it.
        wait_until(lambda: not tried(plane, pod(place, "root", ROOT)), 20, "pods being free again")


def test_pods_older_than_the_policy_are_changed_and_deleted_freely(plane: ControlPlane) -> None:
    place = namespace(plane, "older")
    old = pod(place, "old", ROOT)
    old["metadata"]["finalizers"] = ["example.com/held"]
    plane.apply(old)
    with running(plane):
        plane.apply(policy(place))
        await_bound(plane, place)
        plane.kubectl("label", "pod", "old", "-n", place, "touched=yes")
        plane.kubectl("delete", "pod", "old", "-n", place, "--wait=false", "--grace-period=0", "--force")
        patch = json.dumps({"metadata": {"finalizers": None}})
        plane.kubectl("patch", "pod", "old", "-n", place, "--type=merge", "-p", patch)
        wait_until(gone(plane, "pod", "old", "-n", place), 20, "the pod being gone")


def test_a_binding_that_somebody_deletes_or_opens_holds_again(plane: ControlPlane) -> None:
    place = namespace(plane, "drift")
    with running(plane):
        plane.apply(policy(place))
        pair = await_bound(plane, place)
        wait_until(lambda: len(made(plane, pair)) == 4, 20, "the bindings for samples being gone")
        whole = made(plane, pair)
        plane.kubectl("delete", "validatingadmissionpolicybinding", pair)
        wait_until(lambda: made(plane, pair) == whole, 20, "the binding being back")
        opened = json.dumps({"spec": {"validationActions": ["Audit"]}})
        plane.kubectl("patch", "validatingadmissionpolicybinding", pair, "--type=merge", "-p", opened)

        def actions() -> list[str]:
            return list(plane.get("validatingadmissionpolicybinding", pair)["spec"]["validationActions"])

        wait_until(lambda: "Deny" in actions(), 20, "the binding denying again")
        # What others add to a list that is shared cannot be taken from them; it is said, and not fought over.
        assert f"ValidatingAdmissionPolicyBinding {pair}" in await_reason(plane, place, "Altered")
        assert "validationActions; delete it" in status(plane, place)["conditions"][1]["message"]


def test_a_binding_that_is_made_anew_is_seen_loaded_before_it_is_called_bound(plane: ControlPlane) -> None:
    place = namespace(plane, "anew")
    with running(plane):
        plane.apply(policy(place))
        pair = await_bound(plane, place)
    plane.kubectl("delete", "validatingadmissionpolicybinding", pair)
    wait_until(lambda: not tried(plane, pod(place, "root", ROOT)), 20, "root being admitted")
    mark = plane.audit().mark()

    def told() -> bool:
        """Whether status was written once the bindings for samples were made."""
        lines = writes(plane, mark)
        first = next((number for number, line in enumerate(lines) if f"{pair}-loaded" in line), len(lines))
        return any("hardeningpolicies/status" in line for line in lines[first:])

    with running(plane):
        wait_until(told, 40, "it being seen loaded")
        await_bound(plane, place)
        assert "HardeningPolicy" in tried(plane, pod(place, "root", ROOT)), "called bound before it held"
        wait_until(lambda: len(made(plane, pair)) == 4, 20, "the bindings for samples being gone")


def test_a_quiet_cluster_is_not_written_to_nor_is_it_by_a_restart(plane: ControlPlane) -> None:
    place = namespace(plane, "quiet")
    with running(plane) as operator:
        plane.apply(policy(place))
        await_bound(plane, place)
        apply_and_settle(plane, workload(place, "app"))
        mark = still(plane, 4)
        settle(QUIET_SECONDS)
        assert writes(plane, mark) == []
        assert complaints(operator) == []
    mark = plane.audit().mark()
    with running(plane) as operator:
        operator.wait_leading()
        settle(QUIET_SECONDS)
        assert writes(plane, mark) == []


@pytest.mark.parametrize("what", ["policy", "definition"])
def test_without_operator_and_policy_pods_start_and_nothing_of_ours_is_left(plane: ControlPlane, what: str) -> None:
    place = namespace(plane, f"without-{what}")
    with running(plane) as operator:
        plane.apply(policy(place))
        await_bound(plane, place)
        operator.kill()
    apply_and_settle(plane, workload(place, "meanwhile"))
    if what == "policy":
        plane.kubectl("delete", "harden", place, "--wait=false")
    else:
        plane.kubectl("delete", "-f", CRDS / "hardeningpolicies.yaml", "--wait=false")
    try:
        wait_until(lambda: not made(plane, f"breakwater-{place}-"), 60, "its objects being collected")
        wait_until(lambda: not tried(plane, pod(place, "root", ROOT)), 20, "root being admitted")
        apply_and_settle(plane, workload(place, "root", ROOT))
    finally:
        plane.apply(CRDS / "hardeningpolicies.yaml")
