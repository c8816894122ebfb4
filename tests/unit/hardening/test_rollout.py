from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from breakwater.hardening.admission import Phase
from breakwater.kernel.ownership import MANAGED_BY, MANAGER
from breakwater.kernel.plan import ApplyObject, DeleteObject, Plan
from breakwater.kernel.references import (
    CUSTOM_RESOURCE_DEFINITION,
    HARDENING_POLICY,
    MUTATING_BINDING,
    VALIDATING_BINDING,
    VALIDATING_POLICY,
    Ref,
    definition_of,
)
from breakwater.kernel.restrain import restrain
from breakwater.kernel.settings import Mode
from breakwater.kernel.world import World
from tests.unit.hardening.scene import (
    NOW,
    POLICY_REF,
    SUBJECT,
    act,
    answer,
    bound,
    pair_of,
    planned,
    policy,
    standing,
    world,
)
from tests.unit.worlds import MemoryWorld, condition, message


def names(made: Any) -> list[str]:
    """As `standing`, with the name of the present pair written as HASH."""
    return [item.replace(pair_of(made).content, "HASH") for item in standing(made)]


POLICIES = ["Mutating -HASH", "Validating -HASH"]
IN_FORCE = ["Mutating -HASH", "MutatingBinding -HASH", "Validating -HASH", "ValidatingBinding -HASH"]


def test_a_pair_is_made_and_bound_for_samples_only() -> None:
    made = world()
    first = act(made)
    assert names(made) == [
        "Mutating -HASH",
        "MutatingBinding -HASH-trial",
        "Validating -HASH",
        "ValidatingBinding -HASH-trial",
    ]
    bindings = [action for action in first.actions if action.target.resource in (MUTATING_BINDING, VALIDATING_BINDING)]
    assert all(len(action.after) == 2 for action in bindings), "a binding without its policy is an error"
    second = planned(made)
    assert second.actions == ()
    assert [measure.name for measure in second.measures] == ["Trial"]
    assert condition(second, "Enforced") == ("Unknown", "Trying")
    assert condition(second, "Ready") == ("Unknown", "Trying")


def loading() -> MemoryWorld:
    """A world in which the policy is bound and not seen to be loaded yet."""
    made = world()
    act(made)
    answer(made, Phase.TRIAL)
    act(made)
    act(made)
    return made


def test_what_passed_its_trial_is_bound_seen_and_relieved_of_its_samples() -> None:
    made = world()
    act(made)
    answer(made, Phase.TRIAL)
    assert [action.target.resource for action in act(made).actions] == [MUTATING_BINDING, VALIDATING_BINDING]
    act(made)
    waiting = planned(made)
    assert condition(waiting, "Enforced") == ("Unknown", "Loading")
    assert [measure.name for measure in waiting.measures] == ["Loaded"]
    answer(made, Phase.LOADED)
    act(made)
    last = planned(made)
    assert names(made) == IN_FORCE
    assert (last.actions, last.measures) == ((), ())
    assert condition(last, "Enforced") == condition(last, "Ready") == ("True", "Bound")


ERROR = "ValidatingAdmissionPolicy '{pair}' with binding 'x': expression 'e' resulted in error: no such key: k"
REFUSAL = "pods is invalid: policy '{pair}' with binding 'x' denied request: expression 'e' resulted in error: type"


@pytest.mark.parametrize(
    ("change", "only", "expected", "said"),
    [
        ({"warnings": ()}, "", ("Unknown", "Trying"), "not loaded"),
        ({"warnings": ()}, "windows", ("Unknown", "Trying"), "not loaded"),
        ({"annotations": {}}, "bare", ("Unknown", "Trying"), "not loaded"),
        ({"annotations": {"hardened-by.breakwater.dev/suite": "an earlier one"}}, "bare", ("Unknown", "Trying"), ""),
        ({"code": 403, "message": "violates PodSecurity"}, "", ("Unknown", "TrialHindered"), "violates PodSecurity"),
        ({"code": 422, "message": REFUSAL}, "bare", ("False", "TrialFailed"), "resulted in error: type"),
        ({"warnings": (ERROR,)}, "declared", ("False", "TrialFailed"), "no such key: k"),
        ({"spec": {"containers": [{}]}}, "bare", ("False", "TrialFailed"), "leaves out spec.securityContext.runAsUser"),
        ({"spec": {"containers": [{}]}}, "windows", ("False", "BindingMissing"), ""),
    ],
)
def test_nothing_counts_before_both_policies_were_seen_and_no_fault_is_bound(
    change: dict[str, Any], only: str, expected: tuple[str, str], said: str
) -> None:
    made = world()
    act(made)
    name = pair_of(made).name
    filled = {
        key: tuple(item.format(pair=name) for item in value)
        if isinstance(value, tuple)
        else (value.format(pair=name) if isinstance(value, str) else value)
        for key, value in change.items()
    }
    answer(made, Phase.TRIAL, filled, only)
    result = planned(made)
    assert condition(result, "Enforced") == expected
    assert said in message(result, "Enforced")
    assert bool(result.actions) == (expected[1] == "BindingMissing")


def test_a_fault_counts_more_than_an_answer_that_is_still_to_come() -> None:
    made = world()
    act(made)
    answer(made, Phase.TRIAL, {"warnings": (ERROR.format(pair=pair_of(made).name),), "annotations": {}})
    assert condition(planned(made), "Enforced") == ("False", "TrialFailed")


def test_a_bare_sample_that_is_refused_before_the_policies_are_loaded_says_nothing() -> None:
    made = world()
    act(made)
    others = {"warnings": (), "annotations": {}}
    answer(made, Phase.TRIAL, others | {"code": 403, "message": "violates PodSecurity"}, "bare")
    assert condition(planned(made), "Enforced") == ("Unknown", "TrialHindered")
    assert "; let dry runs of pods" in message(planned(made), "Enforced"), "who is hindered is told what to do"
    answer(made, Phase.TRIAL, others, "declared", {"bare": {"code": 403, "message": "violates PodSecurity"}})
    assert condition(planned(made), "Enforced") == ("Unknown", "Trying")


def test_answers_to_other_samples_do_not_count() -> None:
    made = world()
    act(made)
    answer(made, Phase.TRIAL)
    made.edit(POLICY_REF, lambda item: item["spec"].update(podDefaults={"runAsUser": 7}), by="somebody")
    act(made)
    assert condition(planned(made), "Enforced") == ("Unknown", "Trying")
    assert "have not been tried yet" in message(planned(made), "Enforced")


def test_the_old_pair_stays_bound_until_the_new_one_is_loaded() -> None:
    made = bound()
    old = pair_of(made).name
    made.edit(POLICY_REF, lambda item: item["spec"].update(podDefaults={"runAsUser": 7}), by="somebody")

    def is_bound(name: str) -> bool:
        return Ref(VALIDATING_BINDING, "", name) in made.refs(VALIDATING_BINDING)

    assert (planned(made).status or {})["bound"] == old
    act(made)
    assert f"{old} stays bound" in message(planned(made), "Enforced")
    answer(made, Phase.TRIAL)
    act(made)
    assert is_bound(pair_of(made).name)
    act(made)
    assert is_bound(old)
    answer(made, Phase.LOADED)
    leaving = act(made).actions
    assert {type(action) for action in leaving} == {DeleteObject}
    assert not is_bound(old)
    assert names(made) == IN_FORCE


def test_bindings_leave_before_their_policies_and_what_refuses_before_what_sets() -> None:
    made = bound()
    made.obscure(HARDENING_POLICY, "NotServed")
    result = planned(made)
    kinds = [action.target.resource.kind for action in result.actions]
    assert kinds == [
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "ValidatingAdmissionPolicy",
    ]
    assert [len(action.after) for action in result.actions] == [0, 1, 2, 3]
    assert {action.reason for action in result.actions} == {"DeclarationGone"}
    for action in result.actions:
        made.act(action, NOW)
    assert standing(made) == []


def held(mode: str, made: MemoryWorld) -> Plan:
    """What is planned, less what may not be written, once the policy or its operator went back to Observe."""
    if mode == "policy":
        made.edit(POLICY_REF, lambda item: item["spec"].update(mode="Observe"), by="somebody")
    else:
        made.settings = replace(made.settings, mode=Mode.OBSERVE)
    plan = planned(made)
    return restrain(plan, World(made, SUBJECT), SUBJECT)


BACK = [
    ("policy", "or narrow spec.namespaceSelector and set spec.mode to Enforce", ("True", "Observing")),
    ("operator", "start it with Enforce to go on", ("True", "Bound")),
]


@pytest.mark.parametrize(("mode", "remedy", "ready"), BACK)
def test_back_to_observe_what_is_bound_stays_and_status_says_how_to_lift_it(
    mode: str, remedy: str, ready: tuple[str, str]
) -> None:
    made = bound()
    result = held(mode, made)
    assert (result.actions, result.withheld, result.measures) == ((), (), ())
    assert condition(result, "Enforced") == ("False", "Observed")
    assert f"{pair_of(made).name} stays bound in the wording it had" in message(result, "Enforced")
    assert "delete the policy" in message(result, "Enforced")
    assert remedy in message(result, "Enforced")
    assert condition(result, "Ready") == ready
    assert (result.status or {})["bound"] == pair_of(made).name


@pytest.mark.parametrize(("mode", "remedy", "ready"), BACK)
def test_back_to_observe_neither_drift_nor_another_wording_is_written(
    mode: str, remedy: str, ready: tuple[str, str]
) -> None:
    made = bound()
    old = pair_of(made).name
    made.drop(Ref(VALIDATING_BINDING, "", old))
    result = held(mode, made)
    assert (result.actions, {item.reason for item in result.withheld}) == ((), {"Observed"})
    made.edit(POLICY_REF, lambda item: item["spec"].update(podDefaults={"runAsUser": 7}), by="somebody")
    result = held(mode, made)
    assert (result.actions, len(result.withheld)) == ((), 4)
    assert f"{old} stays bound" in message(result, "Enforced")
    assert remedy in message(result, "Enforced")
    assert condition(result, "Ready") == (ready if mode == "policy" else ("False", "Observed"))


@pytest.mark.parametrize("mode", ["policy", "operator"])
def test_back_to_observe_a_trial_under_way_stays_and_is_neither_asked_nor_ended(mode: str) -> None:
    made = world()
    act(made)
    before = standing(made)
    answer(made, Phase.TRIAL)
    result = held(mode, made)
    assert (result.actions, result.measures, standing(made)) == ((), (), before)
    assert condition(result, "Enforced") == ("False", "Observed")
    assert "bound" not in (result.status or {})


def test_observe_plans_what_enforce_would_make_and_is_ready() -> None:
    result = planned(world(declared=policy(mode="Observe")))
    assert result.mode is Mode.OBSERVE
    assert {type(action) for action in result.actions} == {ApplyObject}
    assert result.measures == ()
    assert condition(result, "Ready") == ("True", "Observing")
    assert condition(result, "Enforced") == ("False", "Observed")


def test_suspended_nothing_is_tried() -> None:
    result = planned(world(declared=policy(suspend=True)))
    assert (result.suspended, result.measures) == (True, ())
    assert condition(result, "Ready") == ("False", "Suspended")


def trial_objects(made: MemoryWorld) -> list[str]:
    return [name for name in names(made) if name.endswith(("-trial", "-loaded"))]


@pytest.mark.parametrize("resource", [MUTATING_BINDING, VALIDATING_BINDING])
def test_a_binding_that_was_deleted_comes_back_without_a_trial_and_is_seen_loaded_again(resource: Any) -> None:
    made = bound()
    made.drop(Ref(resource, "", pair_of(made).name))
    result = act(made)
    assert condition(result, "Enforced") == ("False", "BindingMissing")
    assert f"held to the rest of {pair_of(made).name} only" in message(result, "Enforced")
    assert result.actions[-1].target == Ref(resource, "", pair_of(made).name)
    assert not result.actions[-1].after, "what only serves the proof must not hinder it"
    act(made)
    waiting = planned(made)
    assert condition(waiting, "Enforced") == condition(waiting, "Ready") == ("Unknown", "Loading")
    assert [measure.name for measure in waiting.measures] == ["Loaded"]
    answer(made, Phase.LOADED)
    act(made)
    assert condition(planned(made), "Enforced") == ("True", "Bound")
    assert names(made) == IN_FORCE


@pytest.mark.parametrize("done", range(1, 4))
def test_a_crash_while_a_binding_is_put_right_does_not_lose_that_it_has_to_be_seen_loaded(done: int) -> None:
    made = bound()
    made.drop(Ref(VALIDATING_BINDING, "", pair_of(made).name))
    for action in planned(made).actions[:done]:
        made.act(action, NOW)
    while planned(made).actions:
        act(made)
    assert condition(planned(made), "Enforced") == ("Unknown", "Loading")


def test_what_was_seen_before_a_binding_was_deleted_proves_nothing_of_the_one_that_is_made_anew() -> None:
    made = loading()
    answer(made, Phase.LOADED)
    ref = Ref(VALIDATING_BINDING, "", pair_of(made).name)
    made.drop(ref)
    act(made)
    assert [name for name in trial_objects(made) if name.endswith("-loaded")] == [], "they were made before it"
    act(made)
    assert condition(planned(made), "Enforced") == ("Unknown", "Loading")
    answer(made, Phase.LOADED)
    made.edit(ref, lambda item: item["spec"].update(validationActions=["Audit"]), by="somebody")
    act(made)
    assert condition(planned(made), "Enforced") != ("True", "Bound")


def test_a_policy_whose_expressions_were_changed_is_put_right_and_seen_loaded_again() -> None:
    made = bound()
    ref = Ref(VALIDATING_POLICY, "", pair_of(made).name)
    made.edit(ref, lambda item: item["spec"].update(validations=item["spec"]["validations"][:1]), by="somebody")
    assert act(made).actions[-1].target == ref
    act(made)
    assert condition(planned(made), "Enforced") == ("Unknown", "Loading")


def test_marks_that_somebody_removed_come_back_and_prove_nothing_new() -> None:
    made = bound()
    ref = Ref(VALIDATING_POLICY, "", pair_of(made).name)
    made.edit(ref, lambda item: item["metadata"]["labels"].clear(), by="somebody")
    assert [action.target for action in act(made).actions] == [ref]
    assert condition(planned(made), "Enforced") == ("True", "Bound")


def test_a_trial_that_somebody_altered_is_told_and_not_waited_for() -> None:
    made = world()
    act(made)
    ref = Ref(VALIDATING_POLICY, "", pair_of(made).name)
    never = {"name": "never", "expression": "false"}
    made.edit(ref, lambda item: item["spec"]["matchConditions"].append(never), by="somebody")
    answer(made, Phase.TRIAL, {"warnings": ()})
    result = planned(made)
    assert condition(result, "Enforced") == ("False", "Altered")
    assert f"{ref}: somebody added" in message(result, "Enforced")
    assert "nothing is bound" in message(result, "Enforced")


def test_a_condition_that_somebody_added_is_told_and_not_fought_over() -> None:
    made = bound()
    ref = Ref(VALIDATING_POLICY, "", pair_of(made).name)
    never = {"name": "never", "expression": "false"}
    made.edit(ref, lambda item: item["spec"]["matchConditions"].append(never), by="somebody")
    result = planned(made)
    assert result.actions == ()
    assert condition(result, "Enforced") == ("False", "Altered")
    assert str(ref) in message(result, "Enforced")


def test_an_object_of_others_under_our_name_is_not_taken_over() -> None:
    made = world()
    name = pair_of(made).name
    foreign = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy"}
    made.put(foreign | {"metadata": {"name": name}, "spec": {}}, by="somebody")
    result = planned(made)
    assert result.actions == ()
    assert condition(result, "Accepted") == condition(result, "Ready") == ("False", "NameTaken")


def test_what_the_cluster_refuses_is_not_ready_under_observe_either() -> None:
    made = world(declared=policy(mode="Observe"))
    foreign = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy"}
    made.put(foreign | {"metadata": {"name": pair_of(made).name}, "spec": {}}, by="somebody")
    assert condition(planned(made), "Ready") == ("False", "NameTaken")


def test_everything_made_is_ours_and_goes_with_the_policy() -> None:
    made = bound()
    for action in act(world()).actions:
        metadata = action.manifest["metadata"]  # type: ignore[attr-defined]  # all of them are applied
        assert metadata["labels"] == {MANAGED_BY: MANAGER}
        (owner,) = metadata["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("HardeningPolicy", "suite")
    assert made.manifest(POLICY_REF)["status"]["bound"] == pair_of(made).name


def test_with_the_definition_gone_too_nothing_stays_bound() -> None:
    made = bound()
    made.obscure(HARDENING_POLICY, "NotServed")
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    made.put(definition | {"metadata": {"name": definition_of(HARDENING_POLICY).name}}, by="somebody")
    assert planned(made).actions == (), "it may only not be served yet"
    made.drop(made.refs(CUSTOM_RESOURCE_DEFINITION)[0])
    assert len(planned(made).actions) == 4


def test_without_defaults_there_is_nothing_that_mutates() -> None:
    made = world(declared=policy(podDefaults={}))
    act(made)
    assert names(made) == ["Validating -HASH", "ValidatingBinding -HASH-trial"]


@pytest.mark.parametrize(
    ("reason", "expected"), [("NotServed", ("False", "NotServed")), ("Forbidden", ("Unknown", "Forbidden"))]
)
def test_where_admission_policies_cannot_be_had_nothing_is_written_and_it_is_said(
    reason: str, expected: tuple[str, str]
) -> None:
    made = world()
    made.obscure(VALIDATING_POLICY, reason)
    result = planned(made)
    assert result.actions == ()
    assert condition(result, "Enforced") == condition(result, "Ready") == expected


@pytest.mark.parametrize(("version", "said"), [("v1.37", ""), ("latest", ""), ("v1.99", "v1.99 is newer than")])
def test_a_version_that_is_not_known_yet_is_told(version: str, said: str) -> None:
    result = planned(world(declared=policy(profile={"level": "Baseline", "version": version})))
    assert condition(result, "Accepted") == ("True", "Accepted")
    assert message(result, "Accepted").startswith(f"spec.profile.version: {said}" if said else "")
    assert bool(message(result, "Accepted")) == bool(said)
