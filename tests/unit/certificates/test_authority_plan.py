from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from breakwater.certificates.plan import plan as plan_authority
from breakwater.kernel.plan import Failure, Plan, WriteSecret
from breakwater.kernel.references import CLUSTER_TRUST_BUNDLE, CONFIG_MAP, SECRET, Resource
from tests.unit.scenery import (
    AUTHORITY,
    AUTHORITY_REF,
    NOW,
    ROOT,
    SYSTEM,
    authority_manifest,
    foreign_root,
    settled,
    world,
)
from tests.unit.scenery import plan as plan_channel
from tests.unit.worlds import MemoryWorld, condition, encoded, marked, message, namespace_manifest, secret_manifest

TRUST_MARKS = {
    "labels": {"app.kubernetes.io/managed-by": "breakwater"},
    "annotations": {"breakwater.dev/authority": "platform", "breakwater.dev/subject": "Trust/bpm/platform"},
}


def _plan(made: MemoryWorld) -> Plan:
    return made.plan(AUTHORITY, plan_authority, NOW)


def _wipe(made: MemoryWorld) -> None:
    made.edit(AUTHORITY_REF, lambda manifest: manifest.pop("status", None), by="restore")


def _without_a_trace() -> MemoryWorld:
    return MemoryWorld(namespace_manifest(SYSTEM), namespace_manifest("bpm"), authority_manifest())


def test_a_root_is_made_once_and_found_again() -> None:
    made = _without_a_trace()
    (action,) = _plan(made).actions
    assert isinstance(action, WriteSecret)
    assert (action.target, action.replaces) == (ROOT, None)
    done = made.settle(AUTHORITY, plan_authority, NOW)
    assert condition(done, "Ready") == ("True", "Ready")
    _wipe(made)
    assert _plan(made).actions == ()


def _config_map(made: MemoryWorld) -> None:
    metadata = {"name": "platform-trust", "namespace": "bpm", **TRUST_MARKS}
    made.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": "x"}}, by="breakwater")


def _whole_bundle(made: MemoryWorld) -> None:
    annotations = {"breakwater.dev/subject": "Trust/platform"}
    metadata = {"name": "breakwater-platform", "labels": TRUST_MARKS["labels"], "annotations": annotations}
    bundle = {"apiVersion": "certificates.k8s.io/v1", "kind": "ClusterTrustBundle", "metadata": metadata}
    made.put({**bundle, "spec": {"trustBundle": "x"}}, by="breakwater")


def _leaf(made: MemoryWorld) -> None:
    annotations = {"breakwater.dev/authority": "platform", "breakwater.dev/subject": "CommunicationChannel/bpm/db"}
    marks = {"labels": TRUST_MARKS["labels"], "annotations": annotations}
    made.put(secret_manifest("bpm", "db-tls", {"tls.crt": b"x"}, **marks), by="breakwater")


def _fingerprint(made: MemoryWorld) -> None:
    made.edit(AUTHORITY_REF, lambda manifest: manifest.update(status={"fingerprint": "ab" * 32}), by="breakwater")


TRACES: dict[str, Callable[[MemoryWorld], None]] = {
    "a trust ConfigMap": _config_map,
    "a ClusterTrustBundle": _whole_bundle,
    "a leaf": _leaf,
    "a fingerprint in status": _fingerprint,
}


@pytest.mark.parametrize("sentence", TRACES)
def test_one_trace_of_a_root_forbids_a_fresh_one(sentence: str) -> None:
    made = _without_a_trace()
    TRACES[sentence](made)
    done = made.settle(AUTHORITY, plan_authority, NOW)
    assert ROOT not in made.refs(SECRET)
    assert condition(done, "Ready") == ("False", "RootLost")
    assert condition(done, "Stalled") == ("True", "RootLost")
    assert "backup" in message(done, "Ready")


def _bundle_elsewhere(made: MemoryWorld) -> None:
    metadata = {"name": "my-own", "namespace": "bpm", **TRUST_MARKS}
    made.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": "x"}}, by="breakwater")


def _leaf_of_another_namespace(made: MemoryWorld) -> None:
    annotations = {"breakwater.dev/authority": "platform", "breakwater.dev/subject": "CommunicationChannel/other/db"}
    marks = {"labels": TRUST_MARKS["labels"], "annotations": annotations}
    made.put(secret_manifest("bpm", "db-tls", {"tls.crt": b"x"}, **marks), by="breakwater")


def _annotation_alone(made: MemoryWorld) -> None:
    annotations = {"breakwater.dev/authority": "platform"}
    metadata = {"name": "platform-trust", "namespace": "bpm", "annotations": annotations}
    made.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": "x"}}, by="somebody")


PLANTED = {
    "a bundle under another name": _bundle_elsewhere,
    "a leaf of another namespace's channel": _leaf_of_another_namespace,
    "an annotation and nothing else": _annotation_alone,
}


@pytest.mark.parametrize("sentence", PLANTED)
def test_what_anybody_can_plant_somewhere_is_no_trace(sentence: str) -> None:
    made = _without_a_trace()
    PLANTED[sentence](made)
    assert [action.target for action in _plan(made).actions] == [ROOT]


@pytest.mark.parametrize("hidden", [CONFIG_MAP, SECRET, CLUSTER_TRUST_BUNDLE], ids=str)
def test_no_root_is_made_while_a_trace_might_be_out_of_sight(hidden: Resource) -> None:
    made = _without_a_trace()
    made.obscure(hidden, "Forbidden")
    done = _plan(made)
    assert done.actions == ()
    assert condition(done, "Ready") == ("Unknown", "Forbidden")


def test_a_bundle_kind_that_is_not_served_hides_nothing() -> None:
    made = _without_a_trace()
    made.obscure(CLUSTER_TRUST_BUNDLE, "NotServed")
    assert [action.target for action in _plan(made).actions] == [ROOT]


def _data(**changes: bytes) -> Callable[[dict[str, Any]], None]:
    entries = {key.replace("_", "."): encoded(value) for key, value in changes.items()}
    return lambda manifest: manifest["data"].update(entries)


@pytest.mark.parametrize(
    "bundle", [foreign_root().certificate_pem, b"nonsense", b""], ids=["foreign", "nonsense", "empty"]
)
def test_what_somebody_wrote_beside_the_root_is_trusted_by_nobody_and_taken_back(bundle: bytes) -> None:
    made = settled()
    before = made.data(ROOT)
    made.edit(ROOT, _data(ca_crt=bundle), by="user")
    assert plan_channel(made).actions == (), "no channel hands the foreign bundle on"
    made.settle(AUTHORITY, plan_authority, NOW)
    assert made.data(ROOT) == before


def test_the_marks_of_the_root_are_repaired_with_its_count() -> None:
    made = world()
    before = made.manifest(ROOT)
    made.edit(AUTHORITY_REF, lambda manifest: manifest["status"].update(generation=3), by="breakwater")
    made.edit(ROOT, lambda manifest: manifest["metadata"]["annotations"].pop("breakwater.dev/generation"), by="user")
    made.edit(ROOT, lambda manifest: manifest["metadata"]["labels"].clear(), by="user")
    made.settle(AUTHORITY, plan_authority, NOW)
    after = made.manifest(ROOT)
    assert after["data"] == before["data"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert after["metadata"]["annotations"]["breakwater.dev/generation"] == "3"


def test_a_damaged_root_waits_for_a_person() -> None:
    made = world()
    made.edit(ROOT, _data(tls_key=b"no key"), by="user")
    done = _plan(made)
    assert done.actions == ()
    assert (condition(done, "Ready"), condition(done, "Stalled")) == (("False", "RootDamaged"), ("True", "RootDamaged"))


def test_a_root_from_a_backup_goes_on_and_is_taken_up_once() -> None:
    made = world()
    kept = made.manifest(ROOT)
    made.drop(ROOT)
    assert condition(_plan(made), "Ready") == ("False", "RootLost")
    metadata = {key: kept["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    made.put({**kept, "metadata": metadata}, by="kubectl")
    done = made.settle(AUTHORITY, plan_authority, NOW)
    assert condition(done, "Ready") == ("True", "Ready")
    assert made.manifest(ROOT)["data"] == kept["data"]
    assert _plan(made).actions == ()


FOREIGN = {
    "without any mark": {},
    "with our label alone": {"labels": marked(AUTHORITY)["labels"]},
    "with our annotation alone": {"annotations": marked(AUTHORITY)["annotations"]},
    "with the marks of another subject": marked(AUTHORITY._replace(name="other")),
}


@pytest.mark.parametrize("sentence", FOREIGN)
def test_a_secret_of_others_is_not_adopted_by_its_name(sentence: str) -> None:
    made = _without_a_trace()
    made.put(secret_manifest(SYSTEM, ROOT.name, {"tls.crt": b"theirs"}, **FOREIGN[sentence]), by="user")
    done = made.settle(AUTHORITY, plan_authority, NOW)
    assert (condition(done, "Accepted"), condition(done, "Ready")) == (("False", "NameTaken"),) * 2
    assert made.data(ROOT) == {"tls.crt": b"theirs"}


def test_a_repair_that_fails_is_told() -> None:
    made = world()
    made.edit(ROOT, lambda manifest: manifest["metadata"]["labels"].clear(), by="user")
    made.fail(AUTHORITY, "root", Failure("Contested", '"user" keeps changing it'))
    assert condition(_plan(made), "Ready") == ("False", "Contested")
