"""What plans hold and how they fail: nothing that prints, formats or traces it shows a secret."""

from __future__ import annotations

import base64
import pprint
import traceback
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import pytest

from breakwater.certificates import plan as authorities
from breakwater.channels import plan as channels
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import Entry, Present
from breakwater.kernel.references import SECRET, Ref
from breakwater.kernel.sealed import Sealed, quotes
from breakwater.kernel.world import World
from tests.cluster.canaries import Canary
from tests.unit.scenery import AUTHORITY, BINDING, CHANNEL, CLIENT, GENERATED, LOGIN, NOW, ROOT, SERVER, settled, world
from tests.unit.worlds import MemoryWorld

CHANNEL_SPECS = {
    "generated": {
        "authentication": GENERATED | CLIENT,
        "protocol": "TLS",
        "endpoint": {"host": "db.bpm.svc", "port": 1},
    },
    "brought": {
        "authentication": {"password": {"secretRef": {"name": "login"}}},
        "encryption": {
            "trust": {"bundleRef": {"kind": "Secret", "name": "bundle"}},
            "serverCertificate": {"existingSecretRef": {"name": "pair"}},
        },
    },
    "exposed": {"encryption": {"trust": {"bundleRef": {"name": "exposed"}}}, "authentication": GENERATED},
}
PASSWORD = b"cnry-unit-password-}{%s'\"\\"


def _manifest(kind: str, name: str, data: Mapping[str, bytes]) -> dict[str, Any]:
    texts = {key: value.decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "bpm"}, "data": texts}


def scene(kind: str) -> MemoryWorld:
    """A world in which everything is made, and then one that still has to be repaired."""
    made = world(CHANNEL_SPECS[kind])
    root = made.data(ROOT)
    pair = {key: root[key] for key in ("tls.crt", "tls.key")}
    for name in ("login", "pair", "bundle"):
        data = {"username": b"app", "password": PASSWORD, "ca.crt": root["tls.crt"]} | pair
        made.put(
            _manifest("Secret", name, {key: base64.b64encode(value) for key, value in data.items()}), by="somebody"
        )
    made.put(_manifest("ConfigMap", "exposed", {"ca.crt": root["tls.key"]}), by="somebody")
    made.settle(CHANNEL, channels.plan, NOW)
    return made


cached_scene = cache(scene)
"""For tests that change nothing."""


def canaries(made: MemoryWorld) -> list[Canary]:
    """Every key and password of the world."""
    return [
        Canary(f"{ref.name}: {key}", value)
        for ref in made.refs(SECRET)
        for key, value in made.data(ref).items()
        if key in ("tls.key", "private-key", "password")
    ]


def assert_silent(text: str, secrets: Iterable[Canary]) -> None:
    for canary in secrets:
        assert not canary.leaks_in(text), canary.place


@pytest.mark.parametrize("kind", CHANNEL_SPECS)
def test_a_plan_and_all_that_it_holds_show_no_secret(kind: str) -> None:
    made = scene(kind)
    secrets = canaries(made)
    assert secrets
    for lost in (None, SERVER, LOGIN, BINDING):
        if lost in made.refs(SECRET):
            made.edit(lost, lambda manifest: manifest["data"].update(host="eA==", username="eA=="), by="somebody")
        plan = made.plan(CHANNEL, channels.plan, NOW)
        for shown in (plan, *plan.actions, *plan.measures):
            assert_silent(f"{shown!r} {shown!s} {shown} {pprint.pformat(shown)}", secrets)
        assert_silent(str(plan.status), secrets)


def test_a_root_that_is_to_be_marked_anew_is_not_shown() -> None:
    made = settled()
    made.edit(ROOT, lambda manifest: manifest["metadata"]["labels"].clear(), by="somebody")
    plan = made.plan(AUTHORITY, authorities.plan, NOW)
    assert plan.actions
    assert_silent(pprint.pformat(plan), canaries(made))


def test_objects_as_the_inventory_holds_them_show_no_content() -> None:
    made = scene("generated")
    for ref in made.refs(SECRET):
        entry = Entry.of(made.manifest(ref))
        assert_silent(f"{entry!r} {Present(entry)!r}", canaries(made))
    seen = World(made, CHANNEL)
    channels.plan(CHANNEL, seen, NOW)
    assert Ref(SECRET, "bpm", "db-login") in [getattr(read, "ref", None) for read in seen.reads]
    assert_silent(f"{seen!r} {seen.reads!r} {seen.unknowns!r}", canaries(made))


SEAMS = {
    "generated": (
        "plan.proof",
        "plan.consumers_of",
        "plan.strays",
        "plan.authenticated",
        "plan.written",
        "plan.Plan",
        "plan.earliest",
        "server.renewal_of",
        "server.certificate_status",
        "server.in_place",
        "login.in_place",
        "login.marks_differ",
        "binding.in_place",
        "binding._says",
        "binding.renewal_of",
        "binding.Known.of",
        "binding.Aliased",
        "binding.certificate_status",
        "leaf.followed",
        "leaf.due_of",
        "leaf.renewal_due",
        "server.wanted_by",
        "binding.wanted_by",
        "plan.missing_schedule",
        "proof.destination",
        "trusted.in_place",
        "verdicts.false",
    ),
    "brought": (
        "plan.proof",
        "server.in_place",
        "server.certificate_status",
        "login.in_place",
        "binding.Known.of",
        "trusted.in_place",
        "trusted.Trusted",
    ),
    "exposed": ("plan.proof", "plan.Plan", "binding.waiting"),
}


@pytest.mark.parametrize(("kind", "seam"), [(kind, seam) for kind, seams in SEAMS.items() for seam in seams])
def test_a_bug_in_a_plan_shows_no_secret_even_with_its_local_variables(
    kind: str, seam: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cached_scene(kind)

    def bug(*given: object, **named: object) -> None:
        raise RuntimeError(f"a bug with {given!r} and {named!r}")

    monkeypatch.setattr(f"breakwater.channels.{seam}", bug)
    try:
        made.plan(CHANNEL, channels.plan, NOW)
    except RuntimeError as error:
        told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    else:
        pytest.fail(f"{seam} was not reached")
    assert "asked = " in told or "made = " in told or "declared = " in told
    assert_silent(told, canaries(made))


def test_the_tracebacks_would_show_what_is_not_sealed() -> None:
    content = PASSWORD

    def fail(shown: bytes) -> None:
        raise RuntimeError(str(len(shown)))

    try:
        fail(content)
    except RuntimeError as error:
        told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert Canary("shown", content).leaks_in(told)


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("denied: hunter2-is-too-weak", True),
        ("denied: aHVudGVyMi1pcy10b28td2Vhaw==", True),
        ("denied: ...ter2-is-to...", True),
        ("denied: hunter2", False),
        ("denied: passwords are to be rotated", False),
        ("", False),
    ],
)
def test_a_refusal_that_quotes_a_secret_is_known_by_eight_characters(text: str, *, tells: bool) -> None:
    assert quotes(text, [Sealed(b"hunter2-is-too-weak"), Sealed(b"")]) is tells


def test_a_short_secret_is_known_whole() -> None:
    assert quotes("denied: abc is short", [Sealed(b"abc")])
    assert not quotes("denied: ab is short", [Sealed(b"abc")])


def test_plans_compare_by_their_sealed_content() -> None:
    made = scene("generated")
    one, other = (made.plan(CHANNEL, channels.plan, NOW) for _ in range(2))
    assert isinstance(one, Plan)
    assert one == other
