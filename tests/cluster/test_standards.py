"""The Pod Security Standards as the API server itself evaluates them, held against Kubernetes' own samples."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from breakwater.hardening.standards import checks
from breakwater.hardening.standards.cel import cel_string
from tests.cluster.dry_runs import Answer, DryRuns
from tests.cluster.standards_scene import LATEST, Wording, by_podsecurity, by_python, by_server, judged, wordings
from tests.controlplane import Cluster, KubectlError, wait_until
from tests.standards.policies import policy, policy_name
from tests.standards.samples import Sample, samples

Judged = dict[tuple[Wording, str], tuple[Answer, list[Sample]]]

REFUSED_BY_VALIDATION = {
    "procmount0": "`hostUsers` must be false to use `Unmasked`",
    "procmount1": "`hostUsers` must be false to use `Unmasked`",
}
"""Failing samples, from v1.35 on, that today's API server refuses before any policy is asked."""

ANOTHER_CHECK_SPEAKS_FIRST = {"windowshostprocess0": "hostNamespaces", "windowshostprocess1": "hostNamespaces"}
"""A refusal quotes the first failed check only; these samples break one before their own."""


@pytest.fixture(scope="module")
def verdicts(standards: Cluster) -> Judged:
    return judged(standards)


def test_every_sample_of_every_version_is_asked(verdicts: Judged) -> None:
    asked = [str(sample) + str(sample.passes) for _, group in verdicts.values() for sample in group]
    assert sorted(asked) == sorted(str(sample) + str(sample.passes) for sample in samples())


def test_the_api_server_refuses_what_kubernetes_refuses_and_says_which_check(verdicts: Judged) -> None:
    wrong = {}
    for (wording, _), (answer, (sample, *_)) in verdicts.items():
        if answer.code == 422:
            continue
        said = {check.id: f"{check.id}: {check.message}" for check in checks(wording.level, wording.version)}
        expected = (
            (201, "") if sample.passes else (403, said[ANOTHER_CHECK_SPEAKS_FIRST.get(sample.name, sample.check)])
        )
        if answer.code != expected[0] or not answer.message.endswith(expected[1]):
            wrong[str(sample)] = answer
    assert wrong == {}


def test_samples_that_no_policy_can_judge_are_those_that_validation_refuses(verdicts: Judged) -> None:
    refused = {sample.name: answer for answer, (sample, *_) in verdicts.values() if answer.code == 422}
    assert set(refused) == set(REFUSED_BY_VALIDATION)
    assert all(REFUSED_BY_VALIDATION[name] in answer.message for name, answer in refused.items())


def test_the_expressions_and_python_find_the_same_checks_violated(verdicts: Judged) -> None:
    different = {
        str(sample): (by_server(answer), by_python(wording.level, wording.version, sample.pod))
        for (wording, _), (answer, (sample, *_)) in verdicts.items()
        if answer.code != 422 and by_server(answer) != by_python(wording.level, wording.version, sample.pod)
    }
    assert different == {}
    assert len(verdicts) > 1400


def test_podsecurity_of_this_api_server_says_the_same_of_every_sample(verdicts: Judged) -> None:
    different = {
        str(sample): answer
        for answer, (sample, *_) in verdicts.values()
        if answer.code != 422 and by_podsecurity(answer) == sample.passes
    }
    assert different == {}


def test_no_expression_has_a_type_error(standards: Cluster) -> None:
    misspelt = policy(*LATEST)
    misspelt["metadata"] = {"name": "misspelt"}
    misspelt["spec"]["validations"] = [{"expression": "!has(object.spec.hostNetwrok)"}]
    standards.apply(misspelt)
    try:
        names = ["misspelt", *(wording.namespace for wording in wordings())]
        wait_until(lambda: all(_checked(standards, name) is not None for name in names), 60, "the type checker")
        assert "undefined field 'hostNetwrok'" in str(_checked(standards, "misspelt"))
        assert {name: found for name in names[1:] if (found := _checked(standards, name))} == {}
    finally:
        standards.kubectl("delete", "validatingadmissionpolicy", "misspelt")


def test_the_largest_pods_are_judged_within_the_cost_limits(standards: Cluster) -> None:
    named = [{"name": f"c{number}", **_everything_said()} for number in range(1000)]
    ports = [{"containerPort": number} for number in range(1, 2001)]
    volumes = [{"name": f"v{number}", "emptyDir": {}} for number in range(5000)]
    annotations = {f"example.com/a{number}": "value" for number in range(5000)}
    pods: dict[str, Any] = {
        "containers": {"spec": {**_SPEC, "containers": named}},
        "ports": {"spec": {**_SPEC, "containers": [{"name": "app", **_everything_said(), "ports": ports}]}},
        "volumes": {"spec": {**_SPEC, "containers": named[:1], "volumes": volumes}},
        "annotations": {"metadata": {"annotations": annotations}, "spec": {**_SPEC, "containers": named[:1]}},
    }

    async def create() -> dict[str, tuple[int, str]]:
        async with DryRuns(standards.admin_kubeconfig) as client:
            answers = {name: await client.create_one(policy_name(*LATEST), pod) for name, pod in pods.items()}
        return {name: (answer.code, answer.message) for name, answer in answers.items()}

    assert asyncio.run(create()) == dict.fromkeys(pods, (201, ""))


_SPEC = {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}}


def _everything_said() -> dict[str, Any]:
    """A container with a value in every field that its checks look at, so that no expression ends early."""
    probe = {"httpGet": {"port": 80}}
    return {
        "image": "app",
        **dict.fromkeys(("livenessProbe", "readinessProbe", "startupProbe"), probe),
        "lifecycle": {"postStart": probe, "preStop": probe},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "procMount": "Default",
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
            "seccompProfile": {"type": "RuntimeDefault"},
            "appArmorProfile": {"type": "RuntimeDefault"},
            "seLinuxOptions": {"type": "container_t"},
        },
    }


HOSTILE = ["it's", 'a "b"', "back\\slash\\", "\n\r\t\v", "\x01\x7f\u2028\u202e", "\U000e0001", "漢 ü", "' || true || '"]


def test_a_literal_means_its_text_and_nothing_else_to_the_api_server(controlplane: Cluster) -> None:
    cel = " && ".join(f"object.data['k{n}'] == {cel_string(text)}" for n, text in enumerate(HOSTILE))
    literal = policy(*LATEST)
    literal["metadata"] = {"name": "literals"}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    selector = {"matchExpressions": [{"key": "literals", "operator": "Exists"}]}
    literal["spec"] = {
        "matchConstraints": {"resourceRules": [rule], "objectSelector": selector},
        "validations": [{"expression": cel, "message": "another text"}],
    }
    binding = {
        "apiVersion": literal["apiVersion"],
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "literals"},
        "spec": {"policyName": "literals", "validationActions": ["Deny"]},
    }
    controlplane.apply([literal, binding])
    try:
        wait_until(lambda: "another text" in _config_map(controlplane, ["x"] * len(HOSTILE)), 60, "the policy")
        assert _config_map(controlplane, HOSTILE) == "created"
        for number in range(len(HOSTILE)):
            changed = [text + "." if number == index else text for index, text in enumerate(HOSTILE)]
            assert "another text" in _config_map(controlplane, changed)
    finally:
        controlplane.kubectl(
            "delete", "validatingadmissionpolicies/literals", "validatingadmissionpolicybindings/literals"
        )


def _config_map(cluster: Cluster, texts: list[str]) -> str:
    """What the API server says to a dry-run ConfigMap of these texts."""
    data = {f"k{number}": text for number, text in enumerate(texts)}
    metadata = {"name": "literals", "namespace": "default", "labels": {"literals": ""}}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    try:
        cluster.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(manifest))
    except KubectlError as error:
        return str(error)
    return "created"


def _checked(cluster: Cluster, name: str) -> list[Mapping[str, Any]] | None:
    """What the type checker says of a policy; None before it has spoken."""
    status = cluster.get("validatingadmissionpolicy", name).get("status", {})
    return status["typeChecking"].get("expressionWarnings", []) if "typeChecking" in status else None
