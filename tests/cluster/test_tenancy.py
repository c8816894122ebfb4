"""A user with `edit` in one namespace gains nothing through the operator; whoever has the right goes unhindered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from breakwater.cli.catalogue import KINDS
from tests.cluster.harness import ROOT, USER, OperatorProcess, authority, conditions, install, is_ready
from tests.cluster.ledger import namespace
from tests.cluster.listening import Door, door, listening
from tests.cluster.tenancy_attacks import (
    ATTACKS,
    EVERYWHERE,
    HOME,
    OTHER,
    Attack,
    Manifest,
    Rule,
    kind,
    logging_in,
    looking,
    policy,
    serving,
)
from tests.cluster.tenancy_refusals import CLOSED, EXISTING, MALFORMED, TOLD
from tests.controlplane import ControlPlane, KubectlError, wait_until
from tests.kinds_bad_inputs.table import merged

TENANCY = ROOT / "deploy" / "tenancy"
DECLARER, EDITOR, COLLEAGUE, MEDDLER = "declarer", "editor", "colleague", "meddler"
"""Who may write what Breakwater serves in one namespace, and nothing else; who has the usual `edit` there and may use
authorities; the same without the latter; and who may write all that is Breakwater's, everywhere."""
PLURALS = {kind.resource.kind: kind.resource.plural for kind in KINDS}
GROUP = "breakwater.dev"
DECLARED = ("communicationchannels", "rotationschedules", "securityzones")
WRITING = ("create", "get", "list", "patch", "update", "delete")
UPDATES = [name for name, attack in ATTACKS.items() if attack.change is not None]
STATUSES = (
    "bwca/platform",
    f"chan/good -n {HOME}",
    f"rotation/mine -n {HOME}",
    f"zone/mine -n {HOME}",
    "harden/standing",
)


# --- who there is ---------------------------------------------------------------------------------------------------


def _role(name: str, rules: Iterable[Mapping[str, Any]], place: str, user: str) -> list[Manifest]:
    """A role of that name in a place, bound to a user."""
    scope = "Role" if place else "ClusterRole"
    metadata = {"name": name} | ({"namespace": place} if place else {})
    common = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": metadata}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": scope, "name": name}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    return [
        {**common, "kind": scope, "rules": list(rules)},
        {**common, "kind": f"{scope}Binding", "roleRef": reference, "subjects": [subject]},
    ]


def _user(name: str, rules: Iterable[Rule]) -> list[Manifest]:
    """The roles of a user who has exactly these rights."""
    by_place: dict[str, list[Mapping[str, Any]]] = {}
    for rule in rules:
        by_place.setdefault(rule.place, []).append(rule.policy_rule)
    return [item for place, found in by_place.items() for item in _role(name, found, place, name)]


def _declaring(manifest: Mapping[str, Any]) -> list[Rule]:
    """The rights over the resource itself, which are not in question."""
    place = manifest["metadata"].get("namespace", EVERYWHERE)
    return [Rule(verb, PLURALS[manifest["kind"]], GROUP, place=place) for verb in WRITING]


def _users() -> list[Manifest]:
    made: list[Manifest] = []
    for number, attack in enumerate(ATTACKS.values()):
        rights = [*_declaring(attack.manifest), *attack.held]
        made += _user(f"attacker-{number}", rights)
        made += _user(f"holder-{number}", [*rights, attack.missing])
    made += _user(DECLARER, [Rule(verb, plural, GROUP) for plural in DECLARED for verb in WRITING])
    made += _user(EDITOR, [Rule("use", "certificateauthorities", GROUP)])
    parts = [part for plural in PLURALS.values() for part in (plural, f"{plural}/status")]
    made += _user(MEDDLER, [Rule(verb, part, GROUP, place=EVERYWHERE) for part in parts for verb in WRITING])
    return [*made, *_usual_edit()]


def _usual_edit() -> list[Manifest]:
    """The role that Kubernetes comes with, with ours aggregated to it, in one namespace; it holds no `use`."""
    common = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    labels = {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}
    rule = {"apiGroups": [GROUP], "resources": list(DECLARED), "verbs": list(WRITING)}
    edit = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user} for user in (EDITOR, COLLEAGUE)]
    metadata = {"name": "edit", "namespace": HOME}
    return [
        {**common, "kind": "ClusterRole", "metadata": {"name": "breakwater-edit", "labels": labels}, "rules": [rule]},
        {**common, "kind": "RoleBinding", "metadata": metadata, "roleRef": edit, "subjects": subjects},
    ]


def _attempt(cluster: ControlPlane, user: str, attack: Attack) -> str:
    """Try it, without anything being stored."""
    trial = ("--dry-run=server", "--as", user)
    if attack.change is None:
        return cluster.kubectl("create", "-f", "-", *trial, input=json.dumps(attack.manifest))
    metadata = attack.manifest["metadata"]
    what, place = f"{attack.manifest['kind'].lower()}/{metadata['name']}", ("-n", metadata["namespace"])
    patch = json.dumps(attack.change)
    return cluster.kubectl("patch", what, *place, "--type=merge", "-p", patch, *trial)


def _refusal(action: Callable[[], str]) -> str:
    """What is said to somebody who may not; empty where he may."""
    try:
        action()
    except KubectlError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """Users and policies, and no operator: whatever is refused here is refused without it."""
    with ControlPlane() as cluster:
        install(cluster)
        for place in (HOME, OTHER):
            namespace(cluster, place)
        cluster.apply([attack.manifest for attack in ATTACKS.values() if attack.change is not None])
        cluster.apply([authority(), CLOSED, serving("good"), *EXISTING, logging_in("victim")])
        cluster.apply([kind("mine", "RotationSchedule"), kind("mine", "SecurityZone", ingressSelector={})])
        cluster.apply(policy() | {"metadata": {"name": "standing"}})
        cluster.apply(_users())
        cluster.apply(TENANCY)
        wait_until(lambda: _in_force(cluster), 60, "the policies being in force")
        wait_until(lambda: _can_declare(cluster), 30, "the aggregated role")
        yield cluster


def _in_force(cluster: ControlPlane) -> bool:
    """Whether the API server has loaded all of them: one request for each shows it."""
    by_kind = {attack.manifest["kind"]: name for name, attack in reversed(ATTACKS.items())}
    shown = (*by_kind.values(), "restart-of-a-deployment", "restart-of-the-last-of-many")
    tried = [_refusal(lambda name=name: _try(cluster, "attacker", name)) for name in shown]
    return all(tried) and bool(_refusal(lambda: _write_status(cluster, "bwca/platform", MEDDLER)))


def _can_declare(cluster: ControlPlane) -> bool:
    return not _refusal(lambda: cluster.kubectl("auth", "can-i", "create", "chan", "-n", HOME, "--as", COLLEAGUE))


def _try(cluster: ControlPlane, who: str, name: str) -> str:
    """Try an attack as its attacker, or as the one who has the right besides."""
    return _attempt(cluster, f"{who}-{list(ATTACKS).index(name)}", ATTACKS[name])


def _write_status(cluster: ControlPlane, what: str, user: str) -> str:
    item = cluster.get(*what.split())
    item["status"] = {"observedGeneration": 7}
    return cluster.kubectl(
        "replace", "--subresource=status", "-f", "-", "--as", user, "--dry-run=server", input=json.dumps(item)
    )


# --- before it is stored ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTACKS)
def test_who_lacks_the_right_is_refused_and_told_which_one(cluster: ControlPlane, name: str) -> None:
    said = _refusal(lambda: _try(cluster, "attacker", name))
    assert "(Forbidden)" in said
    assert f".tenancy.{GROUP}' with binding" in said
    for words in (*ATTACKS[name].words, "ask for that right, or "):
        assert words in said


@pytest.mark.parametrize("name", ATTACKS)
def test_with_that_one_right_the_same_is_accepted(cluster: ControlPlane, name: str) -> None:
    _try(cluster, "holder", name)


@pytest.mark.parametrize("name", MALFORMED)
def test_what_breaks_out_of_its_field_is_refused_from_everybody(cluster: ControlPlane, name: str) -> None:
    malformed = MALFORMED[name]
    for user in (EDITOR, "admin"):
        manifest = merged(malformed.base, malformed.change)
        said = _refusal(lambda manifest=manifest, user=user: _create(cluster, manifest, user))
        assert all(words in said for words in malformed.words), said


@pytest.mark.parametrize("name", MALFORMED)
def test_the_same_in_its_right_form_is_accepted(cluster: ControlPlane, name: str) -> None:
    _create(cluster, MALFORMED[name].base, EDITOR)


def _create(cluster: ControlPlane, manifest: Manifest, user: str) -> str:
    as_user = ("--as", user) if user != "admin" else ()
    return cluster.kubectl("create", "-f", "-", "--dry-run=server", *as_user, input=json.dumps(manifest))


@pytest.mark.parametrize(
    "manifest",
    [looking("x") | {"metadata": {"name": "x", "namespace": OTHER}}, authority("x"), policy()],
    ids=["in-another-namespace", "an-authority", "a-policy-for-pods"],
)
def test_edit_in_one_namespace_declares_nothing_elsewhere(cluster: ControlPlane, manifest: Manifest) -> None:
    said = _refusal(lambda: _create(cluster, manifest, EDITOR))
    assert f'User "{EDITOR}" cannot create resource' in said
    _create(cluster, merged(manifest, {"metadata": {"name": "fresh"}}), "admin")


def test_the_usual_edit_issues_nothing_without_the_use_of_an_authority(cluster: ControlPlane) -> None:
    said = _refusal(lambda: _create(cluster, serving("fresh"), COLLEAGUE))
    assert 'colleague may not use certificateauthorities.breakwater.dev "platform" in namespace shop' in said
    _create(cluster, serving("fresh"), EDITOR)


def test_in_observe_nothing_is_asked_for_that_is_not_read(cluster: ControlPlane) -> None:
    everything = {
        "authentication": {"password": {"generate": {"username": "app"}}},
        "consumers": [{"name": "victim"}],
        "output": {"secretName": "fresh"},
        "deletionPolicy": "Delete",
    }
    _create(cluster, serving("fresh", mode="Observe", **everything), DECLARER)


def test_a_name_that_the_api_server_generates_is_known_when_rights_are_asked(cluster: ControlPlane) -> None:
    name = "binding-changed-for-him"
    manifest = merged(ATTACKS[name].manifest, {"metadata": {"name": None, "generateName": "made-"}})
    said = _refusal(lambda: _create(cluster, manifest, f"attacker-{list(ATTACKS).index(name)}"))
    assert re.search(r'may not update secrets "made-[a-z0-9]{5}-binding" in namespace shop', said)


def test_the_usual_edit_suffices_for_the_largest_channel_there_can_be(cluster: ControlPlane) -> None:
    """No expression and no policy meets the API server's limits of cost."""
    everything = {
        "encryption": {
            "trust": {"bundleRef": {"name": "roots"}},
            "serverCertificate": serving("big")["spec"]["encryption"]["serverCertificate"],
        },
        "authentication": {
            "password": {"generate": {"username": "app"}},
            "clientCertificate": {"authorityRef": {"name": "platform"}, "commonName": "app"},
        },
        "rotationScheduleRef": {"name": "mine"},
        "output": {"secretName": "big", "keys": {"HOST": "host"}},
        "deletionPolicy": "Delete",
    }
    consumers = [{"kind": "StatefulSet", "name": f"w{number}"} for number in range(32)]
    _create(cluster, looking("big", consumers=consumers, **everything), EDITOR)


@pytest.mark.parametrize("what", STATUSES)
def test_nobody_but_the_operator_writes_status(cluster: ControlPlane, what: str) -> None:
    for user in (MEDDLER, USER):
        said = _refusal(lambda user=user: _write_status(cluster, what, user))
        wanted = "" if user == USER else f"status: it is written by {USER} alone, not by {user}; change spec instead"
        assert (wanted in said) if wanted else not said


def test_the_policies_are_well_typed(cluster: ControlPlane) -> None:
    def checked() -> list[Mapping[str, Any]]:
        found = cluster.get("validatingadmissionpolicies")["items"]
        return [item["status"]["typeChecking"] for item in found if "typeChecking" in item.get("status", {})]

    wait_until(lambda: len(checked()) == len(cluster.get("validatingadmissionpolicies")["items"]), 30, "type checks")
    assert [item for item in checked() if item.get("expressionWarnings")] == []


# --- what asks for no right -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UPDATES)
def test_who_lacks_the_right_may_label_and_apply_what_stands_and_delete_it(cluster: ControlPlane, name: str) -> None:
    manifest = ATTACKS[name].manifest
    what, place = f"chan/{manifest['metadata']['name']}", ("-n", HOME)
    assert _refusal(lambda: _attempt(cluster, DECLARER, ATTACKS[name]))
    cluster.kubectl("label", what, *place, "team=a", "--as", DECLARER, "--dry-run=server")
    live = cluster.get(what, *place)
    cluster.kubectl("replace", "-f", "-", "--as", DECLARER, "--dry-run=server", input=json.dumps(live))
    apply = ("apply", "--server-side", "--force-conflicts", "--field-manager", "gitops", "-f", "-")
    cluster.kubectl(*apply, "--as", DECLARER, "--dry-run=server", input=json.dumps(manifest))
    cluster.kubectl("delete", what, *place, "--as", DECLARER, "--dry-run=server")


# --- what only the operator can tell ----------------------------------------------------------------------------------


Said = Mapping[str, Mapping[str, Any]]


class Scene(NamedTuple):
    """What the channels of TOLD say, and what became of what they were after.

    Attributes:
        refused: the condition of each row, under an operator that was told nothing.
        granted: the same of those rows whose owners have granted it since.
        allowed: the channel that probes loopback, under an operator that may.
        untouched: whether the Secrets of others are as they were.
        knocks: connections on loopback under the first operator, and under the second.
    """

    refused: Said
    granted: Said
    allowed: Mapping[str, Any]
    untouched: bool
    knocks: tuple[int, int]


LOOPBACK = "probe-of-the-operator-itself"
GRANTED = {name: row.allowed for name, row in TOLD.items() if row.allowed is not None}


@pytest.fixture(scope="module")
def scene(cluster: ControlPlane) -> Iterator[Scene]:
    with listening() as start:
        opened: Door = start(door())
        with OperatorProcess(cluster):
            wait_until(lambda: is_ready(cluster.get("chan", "good", "-n", HOME)), 60, "a good channel being Ready")
            for name, row in TOLD.items():
                port = {"spec": {"endpoint": {"port": opened.port}}} if name == LOOPBACK else {}
                cluster.kubectl("create", "-f", "-", "--as", EDITOR, input=json.dumps(merged(row.about, port)))
            refused = _settled(cluster, TOLD, refused=True)
            untouched = all(map(_is_untouched, (_secret(cluster, item) for item in EXISTING), EXISTING))
            knocks = len(opened.knocks)
            for name, manifest in GRANTED.items():
                # An authority is granted by its owner; a channel is mended by whoever wrote it.
                user = ("--as", EDITOR) if manifest["kind"] == TOLD[name].about["kind"] else ()
                cluster.kubectl("replace", "-f", "-", *user, input=json.dumps(manifest))
            granted = _settled(cluster, GRANTED, refused=False)
        with OperatorProcess(cluster, arguments=("--probe-allow=127.0.0.1/32",), identity="allowing"):
            allowed = _settled(cluster, [LOOPBACK], refused=False)[LOOPBACK]
        yield Scene(refused, granted, allowed, untouched, (knocks, len(opened.knocks)))


def _settled(cluster: ControlPlane, names: Iterable[str], *, refused: bool) -> Said:
    """What they say once each is refused for its reason, or none is any more."""
    said: dict[str, Mapping[str, Any]] = {}

    def settled() -> bool:
        items = {item["metadata"]["name"]: item for item in cluster.get("chan", "-n", HOME)["items"]}
        for name in names:
            row = TOLD[name]
            said[name] = conditions(items[row.about["metadata"]["name"]]).get(row.condition[0], {})
        reasons = {name: said[name].get("reason") for name in names}
        if refused:
            return all(reason == TOLD[name].condition[1] for name, reason in reasons.items())
        return not any(reasons[name] in (None, "NotMeasured", TOLD[name].condition[1]) for name in names)

    wait_until(settled, 60, "every channel being judged")
    return said


def _secret(cluster: ControlPlane, manifest: Manifest) -> Manifest:
    found: Manifest = cluster.get("secret", manifest["metadata"]["name"], "-n", HOME)
    return found


def _is_untouched(live: Manifest, made: Manifest) -> bool:
    return live["data"] == made["data"] and not live["metadata"].keys() & {"labels", "annotations", "ownerReferences"}


@pytest.mark.parametrize("name", TOLD)
def test_what_is_stored_and_not_permitted_says_why_and_what_to_do(scene: Scene, name: str) -> None:
    told = scene.refused[name]
    assert told["status"] == ("Unknown" if TOLD[name].condition[0] == "Proven" else "False")
    for words in TOLD[name].words:
        assert words in told["message"]


@pytest.mark.parametrize("name", GRANTED)
def test_what_its_owner_grants_is_accepted(scene: Scene, name: str) -> None:
    assert (scene.granted[name]["status"], scene.granted[name]["reason"]) == ("True", "Accepted")


def test_no_secret_of_others_is_touched_and_no_address_reached(scene: Scene) -> None:
    assert scene.untouched
    assert scene.knocks[0] == 0


def test_an_address_is_reached_when_the_operator_is_told_to(scene: Scene) -> None:
    assert scene.allowed["reason"] not in ("Refused", "NotMeasured")
    assert scene.knocks[1] > 0
