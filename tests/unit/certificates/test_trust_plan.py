from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from breakwater.certificates import plan as authorities
from breakwater.certificates import trust
from breakwater.kernel.plan import ApplyObject, DeleteObject, Failure
from breakwater.kernel.references import CLUSTER_TRUST_BUNDLE, NAMESPACE, Ref, Subject
from tests.unit.scenery import AUTHORITY, NOW, ROOT, foreign_root, world
from tests.unit.worlds import MemoryWorld, condition, namespace_manifest

HERE = trust.subject_of("platform", "bpm")
WHOLE = trust.subject_of("platform", "")
SELECTED = {"trust": {"namespaceSelector": {"matchLabels": {"suite": "bpm"}}, "clusterTrustBundle": True}}

Change = Callable[[dict[str, Any]], None]


def _placed() -> MemoryWorld:
    made = world(authority=SELECTED)
    for subject in (HERE, WHOLE):
        made.settle(subject, trust.plan, NOW)
    return made


def _bundle(made: MemoryWorld, subject: Subject) -> str:
    manifest = made.manifest(trust.target_of(subject))
    return str(manifest["data"]["ca.crt"] if subject.namespace else manifest["spec"]["trustBundle"])


def _label(name: str, value: str | None) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        manifest["metadata"]["labels"].pop(name, None)
        manifest["metadata"]["labels"] |= {name: value} if value else {}

    return change


@pytest.mark.parametrize("subject", [HERE, WHOLE], ids=["ConfigMap", "ClusterTrustBundle"])
def test_the_root_is_placed_once_and_owned_by_its_authority(subject: Subject) -> None:
    made = _placed()
    assert _bundle(made, subject) == made.data(ROOT)["tls.crt"].decode()
    owner = made.manifest(trust.target_of(subject))["metadata"]["ownerReferences"]
    assert [(item["kind"], item["name"]) for item in owner] == [("CertificateAuthority", "platform")]
    assert made.plan(subject, trust.plan, NOW).actions == ()


def _set_bundle(manifest: dict[str, Any]) -> None:
    field, key = ("data", "ca.crt") if "data" in manifest else ("spec", "trustBundle")
    manifest[field][key] = foreign_root().certificate_pem.decode()


DRIFTS: dict[str, Change] = {
    "another bundle": _set_bundle,
    "our label removed": _label("app.kubernetes.io/managed-by", None),
    "our label changed": _label("app.kubernetes.io/managed-by", "other"),
    "an annotation removed": lambda manifest: manifest["metadata"]["annotations"].pop("breakwater.dev/authority"),
    "the subject removed": lambda manifest: manifest["metadata"]["annotations"].pop("breakwater.dev/subject"),
    "the owner removed": lambda manifest: manifest["metadata"].pop("ownerReferences"),
}


@pytest.mark.parametrize("sentence", DRIFTS)
@pytest.mark.parametrize("subject", [HERE, WHOLE], ids=["ConfigMap", "ClusterTrustBundle"])
def test_drift_is_repaired_and_what_others_add_stays(subject: Subject, sentence: str) -> None:
    made, target = _placed(), trust.target_of(subject)
    made.edit(target, _label("team", "bpm"), by="team")
    before = {key: made.manifest(target)["metadata"][key] for key in ("labels", "annotations", "ownerReferences")}
    assert made.plan(subject, trust.plan, NOW).actions == ()
    made.edit(target, DRIFTS[sentence], by="user")
    (action,) = made.plan(subject, trust.plan, NOW).actions
    assert isinstance(action, ApplyObject)
    assert action.reason == "TrustChanged"
    made.settle(subject, trust.plan, NOW)
    assert {key: made.manifest(target)["metadata"][key] for key in before} == before
    assert _bundle(made, subject) == made.data(ROOT)["tls.crt"].decode()


def test_a_namespace_that_is_selected_no_more_loses_exactly_that_version() -> None:
    made = _placed()
    made.edit(Ref(NAMESPACE, "", "bpm"), _label("suite", "other"), by="user")
    (action,) = made.plan(HERE, trust.plan, NOW).actions
    assert isinstance(action, DeleteObject)
    assert action.takes_away
    made.settle(HERE, trust.plan, NOW)
    assert trust.target_of(HERE) not in made.refs(trust.target_of(HERE).resource)


def test_nothing_is_placed_or_taken_away_while_the_namespace_is_out_of_sight() -> None:
    made = _placed()
    made.obscure(Ref(NAMESPACE, "", "bpm"))
    assert made.plan(HERE, trust.plan, NOW).actions == ()


def test_nothing_is_taken_away_when_the_root_is_lost() -> None:
    made = _placed()
    made.drop(ROOT)
    for subject in (HERE, WHOLE):
        assert made.plan(subject, trust.plan, NOW).actions == ()


def test_a_config_map_of_others_is_not_adopted_by_its_name_and_told_to_the_authority() -> None:
    made = world(authority=SELECTED)
    metadata = {"name": "platform-trust", "namespace": "bpm"}
    made.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": "theirs"}}, by="user")
    found = made.settle(HERE, trust.plan, NOW)
    assert isinstance(found.value, Failure)
    assert found.value.reason == "NameTaken"
    made.state(("derived", HERE), found.value)
    done = made.plan(AUTHORITY, authorities.plan, NOW)
    assert condition(done, "TrustPlaced") == ("False", "NameTaken")
    assert _bundle(made, HERE) == "theirs"


def test_whoever_owns_a_namespace_does_not_decide_on_the_authority() -> None:
    made = world(authority=SELECTED)
    made.settle(WHOLE, trust.plan, NOW)
    made.state(("derived", HERE), Failure("NameTaken", "theirs"))
    done = made.plan(AUTHORITY, authorities.plan, NOW)
    assert condition(done, "Ready") == ("True", "Ready")
    assert condition(done, "Accepted") == ("True", "Accepted")
    assert done.status is not None
    assert [entry["namespace"] for entry in done.status["trust"]["failing"]] == ["bpm"]


def test_a_taken_cluster_trust_bundle_is_the_authoritys_own_affair() -> None:
    made = world(authority=SELECTED)
    made.settle(HERE, trust.plan, NOW)
    made.state(("derived", WHOLE), Failure("NameTaken", "theirs"))
    done = made.plan(AUTHORITY, authorities.plan, NOW)
    assert condition(done, "Accepted") == ("False", "NameTaken")
    assert condition(done, "Ready") == ("False", "NameTaken")
    assert done.status is not None
    assert "clusterTrustBundle" not in done.status["trust"]


def test_a_namespace_that_only_observes_is_named_with_its_remedy() -> None:
    made = world(authority=SELECTED)
    labels = {"breakwater.dev/mode": "observe"}
    made.edit(Ref(NAMESPACE, "", "bpm"), lambda manifest: manifest["metadata"]["labels"].update(labels), by="user")
    waits = made.plan(HERE, trust.plan, NOW).value
    assert isinstance(waits, Failure)
    assert waits.reason == "Observed"
    assert "namespace" in waits.message


def test_namespaces_that_cannot_be_listed_are_not_taken_for_served() -> None:
    made = world(authority=SELECTED)
    made.settle(WHOLE, trust.plan, NOW)
    made.obscure(NAMESPACE, "Forbidden")
    done = made.plan(AUTHORITY, authorities.plan, NOW)
    assert condition(done, "TrustPlaced") == ("Unknown", "Forbidden")
    assert condition(done, "Ready") == ("Unknown", "Forbidden")


def test_the_authority_is_ready_when_every_selected_place_holds_its_bundle() -> None:
    made = world(authority=SELECTED)
    assert condition(made.plan(AUTHORITY, authorities.plan, NOW), "Ready") == ("False", "TrustPending")
    made.settle(HERE, trust.plan, NOW)
    assert condition(made.plan(AUTHORITY, authorities.plan, NOW), "Ready") == ("False", "TrustPending")
    made.settle(WHOLE, trust.plan, NOW)
    done = made.plan(AUTHORITY, authorities.plan, NOW)
    assert condition(done, "Ready") == ("True", "Ready")
    assert set(done.mentions) == {HERE, WHOLE}
    assert done.status is not None
    expected = {
        "configMap": "platform-trust",
        "namespaces": 1,
        "failing": [],
        "clusterTrustBundle": "breakwater-platform",
    }
    assert done.status["trust"] == expected


def test_a_namespace_that_appears_or_ends_changes_the_mentions() -> None:
    made = world(authority=SELECTED)
    made.put(namespace_manifest("more", suite="bpm"), by="user")
    made.put(namespace_manifest("other", suite="bi"), by="user")
    made.edit(
        Ref(NAMESPACE, "", "bpm"), lambda manifest: manifest["metadata"].update(deletionTimestamp="now"), by="user"
    )
    mentions = made.plan(AUTHORITY, authorities.plan, NOW).mentions
    assert set(mentions) == {trust.subject_of("platform", "more"), WHOLE}


def test_a_bundle_kind_that_is_not_served_is_not_waited_for() -> None:
    made = world(authority=SELECTED)
    made.obscure(CLUSTER_TRUST_BUNDLE, "NotServed")
    made.settle(HERE, trust.plan, NOW)
    done = made.plan(AUTHORITY, authorities.plan, NOW)
    assert condition(done, "Ready") == ("True", "Ready")
    assert set(done.mentions) == {HERE}


def test_a_contest_over_a_label_alone_is_told_to_the_authority() -> None:
    made = _placed()
    made.edit(trust.target_of(HERE), _label("app.kubernetes.io/managed-by", "other"), by="other")
    failure = Failure("Contested", '"other" keeps changing it')
    made.fail(HERE, "trust", failure)
    made.state(("derived", HERE), made.plan(HERE, trust.plan, NOW).value)
    assert condition(made.plan(AUTHORITY, authorities.plan, NOW), "TrustPlaced") == ("False", "Contested")
