from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from breakwater.cli.catalogue import KINDS
from breakwater.kernel.crd import crd
from breakwater.tenancy import OPERATOR, check, render, write
from breakwater.tenancy.channels import MOST_CONSUMERS
from breakwater.tenancy.manifests import policies

ROOT = Path(__file__).parents[3]
TENANCY = ROOT / "deploy" / "tenancy"
NOT_ASKED: Mapping[str, str] = {
    "spec.encryption.trust.authorityRef.name": "whom to trust is public: anybody may read an authority's certificate",
    "spec.source.certManager.issuerRef.name": "refused by this version of the operator",
    "spec.authorization.clients[].name": "no reference: the entry's own name",
    "spec.usableFrom[].name": "no reference: the entry's own name",
    "spec.authorization.serviceAccounts[]": "nothing is done with it in this version",
    "spec.endpoint.serverName": "a name to verify, no object",
    "spec.authentication.clientCertificate.commonName": "granted by the authority's owner, in usableFrom",
    "spec.authentication.password.generate.username": "no reference: the login that is made",
}
"""References, or what looks like one, for which no right is asked, and why."""


def _documents() -> list[dict[str, Any]]:
    return [item for text in render().values() for item in yaml.safe_load_all(text)]


def _policies() -> dict[str, Mapping[str, Any]]:
    return {
        item["metadata"]["name"]: item["spec"] for item in _documents() if item["kind"] == "ValidatingAdmissionPolicy"
    }


POLICIES = _policies()


def _paths(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    yield path
    for name, member in schema.get("properties", {}).items():
        yield from _paths(member, f"{path}.{name}")
    if "items" in schema:
        yield from _paths(schema["items"], f"{path}[]")


def _names_something(path: str) -> bool:
    return path.lower().endswith(("name", "serviceaccounts[]")) and ".match" not in path


def _fields(plural: str) -> set[str]:
    """All that a resource of that type may hold."""
    kind = next(kind for kind in KINDS if kind.resource.plural == plural)
    schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return {*_paths(schema, "spec"), "metadata.name"}


def _references() -> list[tuple[str, str]]:
    """Kind and path of each."""
    found: list[tuple[str, str]] = []
    for kind in KINDS:
        schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        found += [(kind.resource.kind, path) for path in _paths(schema, "spec") if _names_something(path)]
    return sorted(found)


def _asked() -> list[str]:
    """The fields for which some right is asked."""
    return [need.field for policy in policies() for need in policy.needs]


def test_the_committed_policies_are_what_the_generator_makes() -> None:
    assert check(TENANCY) == []


def test_writing_mends_every_drift_and_the_message_holds_the_command(tmp_path: Path) -> None:
    assert {path.name for path in write(tmp_path)} == set(render())
    (tmp_path / "status.yaml").unlink()
    (tmp_path / "securityzones.yaml").write_text("edited: by hand\n")
    (tmp_path / "forgotten.yaml").write_text((tmp_path / "rotationschedules.yaml").read_text())
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")

    messages = check(tmp_path)
    named = [message.split(" ")[0].rpartition("/")[2] for message in messages]
    assert named == ["forgotten.yaml", "securityzones.yaml", "status.yaml"]
    assert all("run `python -m breakwater.tenancy --write deploy/tenancy`" in message for message in messages)

    write(tmp_path)
    assert check(tmp_path) == []
    assert (tmp_path / "kustomization.yaml").read_text() == "resources: []\n", "files of others stay"


def test_the_kustomization_leaves_no_policy_out() -> None:
    listed = yaml.safe_load((TENANCY / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(render())


@pytest.mark.parametrize(("kind", "path"), _references())
def test_every_reference_is_asked_for_or_excused(kind: str, path: str) -> None:
    needs = [need for each in policies() for need in each.needs if kind in {item.kind for item in each.resources}]
    asked = {re.sub(r"\[[0-9]+\]$", "[].name", need.field) for need in needs}
    assert (path in asked) != (path in NOT_ASKED)


def test_nothing_is_excused_that_does_not_exist() -> None:
    assert NOT_ASKED.keys() <= {path for _, path in _references()}


def test_every_kind_has_a_policy_and_keeps_its_status_to_the_operator() -> None:
    plurals = {kind.resource.plural for kind in KINDS}
    ruled = {
        resource for spec in POLICIES.values() for resource in spec["matchConstraints"]["resourceRules"][0]["resources"]
    }
    assert ruled == plurals | {f"{plural}/status" for plural in plurals}


def test_every_policy_is_bound_and_refuses() -> None:
    bindings = [item["spec"] for item in _documents() if item["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert {item["policyName"] for item in bindings} == set(POLICIES)
    assert all(item == {"policyName": item["policyName"], "validationActions": ["Deny"]} for item in bindings)
    assert all(spec["failurePolicy"] == "Fail" for spec in POLICIES.values())


def _looked_at(spec: Mapping[str, Any]) -> set[str]:
    """The fields of the object that its expressions name."""
    texts = [item["expression"] for item in (*spec.get("variables", ()), *spec["validations"])]
    paths = [path for text in texts for path in re.findall(r"\bobject((?:\.\??\w+|\[\d+\])+)", text)]
    plain = (re.sub(r"\[\d+\]", "[]", path.replace("?", "")) for path in paths)
    return {path.removeprefix(".").removesuffix(".orValue").removesuffix(".hasValue") for path in plain}


@pytest.mark.parametrize("name", [name for name in POLICIES if not name.startswith("status.")])
def test_every_field_that_a_policy_looks_at_exists(name: str) -> None:
    """The API server takes an optional field that no kind has for one that is always absent, and asks for nothing."""
    (plural,) = POLICIES[name]["matchConstraints"]["resourceRules"][0]["resources"]
    assert _looked_at(POLICIES[name]) <= _fields(plural)


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_asks_more_than_the_api_server_grants_it(name: str) -> None:
    questions = [item["expression"].count("authorizer.") for item in POLICIES[name]["validations"]]
    assert max(questions) <= 2, "one expression may cost 1,000,000, and a question costs 350,000"
    assert sum(questions) <= 28, "one policy may cost 10,000,000"


def test_every_consumer_that_a_channel_may_name_is_asked_for_once() -> None:
    kind = next(kind for kind in KINDS if kind.resource.kind == "CommunicationChannel")
    schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert schema["properties"]["consumers"]["maxItems"] == MOST_CONSUMERS
    asked = _asked()
    assert [asked.count(f"spec.consumers[{number}]") for number in range(MOST_CONSUMERS + 1)] == [
        *[1] * MOST_CONSUMERS,
        0,
    ]


def test_one_value_is_to_be_replaced_elsewhere_and_it_is_the_account_of_deploy_base() -> None:
    rbac = list(yaml.safe_load_all((ROOT / "deploy" / "base" / "rbac.yaml").read_text()))
    account = next(item["metadata"] for item in rbac if item["kind"] == "ServiceAccount")
    assert f"system:serviceaccount:{account['namespace']}:{account['name']}" == OPERATOR
    without = "".join(render().values()).replace(OPERATOR, "")
    assert "serviceaccount:" not in without
    assert "breakwater-system" not in without


def test_a_template_can_take_them_as_they_are() -> None:
    assert not any(braces in text for text in render().values() for braces in ("{{", "}}"))


def test_no_policy_looks_like_one_that_the_operator_made() -> None:
    labels = [item["metadata"]["labels"] for item in _documents()]
    assert all("app.kubernetes.io/managed-by" not in item for item in labels)


def test_deletion_is_never_judged_and_only_status_is_judged_unchanged() -> None:
    for name, spec in POLICIES.items():
        assert spec["matchConstraints"]["resourceRules"][0]["operations"] == ["CREATE", "UPDATE"]
        changed = [item["expression"] for item in spec.get("matchConditions", ())]
        wanted = (
            [] if name.startswith("status.") else ["request.operation == 'CREATE' || object.spec != oldObject.spec"]
        )
        assert changed == wanted
