from __future__ import annotations

from typing import Any

import pytest

from breakwater.hardening.admission import Phase
from breakwater.kernel.ownership import MANAGED_BY, MANAGER
from breakwater.kernel.plan import ApplyObject, DeleteObject
from breakwater.kernel.references import (
    CUSTOM_RESOURCE_DEFINITION,
    HARDENING_POLICY,
    MUTATING_BINDING,
    VALIDATING_BINDING,
    VALIDATING_POLICY,
    Ref,
    definition_of,
)
from breakwater.kernel.settings import Mode
from tests.unit.hardening.scene import (
    POLICY_REF,
    act,
    answer,
    bound,
    pair_of,
    planned,
    policy,
    standing,
    world,
)
from tests.unit.worlds import condition, message


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
    made.edit(POLICY_REF, lambda item: item["spec"].update(mode="Observe"), by="somebody")
    result = planned(made)
    kinds = [action.target.resource.kind for action in result.actions]
    assert kinds == [
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "ValidatingAdmissionPolicy",
    ]
    assert [len(action.after) for action in result.actions] == [0, 1, 2, 3]
    assert result.mode is Mode.ENFORCE, "it would be kept back otherwise"
    act(made)
    assert names(made) == []


def test_observe_plans_what_enforce_would_make_and_is_ready() -> None:
    result = planned(world(declared=policy(mode="Observe")))
    assert result.mode is Mode.OBSERVE
    assert {type(action) for action in result.actions} == {ApplyObject}
    assert result.measures == ()
    assert condition(result, "Ready") == ("True", "Observing")
    assert condition(result, "Enforced") == ("False", "Observed")


@pytest.mark.parametrize("started_with", [Mode.OBSERVE])
def test_under_an_observing_operator_what_is_bound_is_left_alone(started_with: Mode) -> None:
    made = bound()
    made.settings = type(made.settings)(mode=started_with)
    assert condition(planned(made), "Enforced") == ("True", "Bound")
    made.edit(POLICY_REF, lambda item: item["spec"].update(podDefaults={"runAsUser": 7}), by="somebody")
    result = planned(made)
    assert condition(result, "Ready") == ("False", "Observed")
    assert "stays bound" in message(result, "Enforced")
    assert result.mode is Mode.ENFORCE, "the operator's own mode keeps it back"


def test_suspended_nothing_is_tried() -> None:
    result = planned(world(declared=policy(suspend=True)))
    assert (result.suspended, result.measures) == (True, ())
    assert condition(result, "Ready") == ("False", "Suspended")


@pytest.mark.parametrize("resource", [MUTATING_BINDING, VALIDATING_BINDING])
def test_a_binding_that_was_deleted_comes_back_without_a_trial(resource: Any) -> None:
    made = bound()
    made.drop(Ref(resource, "", pair_of(made).name))
    result = act(made)
    assert [(type(action), action.target.resource) for action in result.actions] == [(ApplyObject, resource)]
    assert condition(planned(made), "Enforced") == ("True", "Bound")


def test_a_policy_whose_expressions_were_changed_is_put_right() -> None:
    made = bound()
    ref = Ref(VALIDATING_POLICY, "", pair_of(made).name)
    made.edit(ref, lambda item: item["spec"].update(validations=item["spec"]["validations"][:1]), by="somebody")
    assert [action.target for action in act(made).actions] == [ref]
    assert condition(planned(made), "Enforced") == ("True", "Bound")


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
    assert condition(result, "Accepted") == ("False", "NameTaken")


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
