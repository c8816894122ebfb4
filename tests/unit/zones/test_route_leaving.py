"""What a Route takes away, and when not: who asked for it, who may still need it, since when nobody does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from breakwater.kernel.plan import ApplyFields, ApplyObject, DeleteObject, Gone
from breakwater.kernel.pruning import Permit
from breakwater.kernel.references import INGRESS, SECURITY_ZONE, Ref
from breakwater.kernel.restrain import restrain
from breakwater.kernel.time import to_rfc3339
from breakwater.kernel.world import World
from breakwater.zones.companions import GRACE, KEPT_FOR
from breakwater.zones.dialects.traefik import LINKS
from breakwater.zones.ingress import ZONES
from breakwater.zones.route import plan
from breakwater.zones.wishes import Hsts
from tests.unit.zones.house import (
    COMPANION,
    CREATED,
    HSTS,
    HSTS_LINK,
    LATER,
    NOW,
    OF_ENGINE,
    PERMITTED,
    REDIRECT,
    REDIRECT_LINK,
    REF,
    REFUSED,
    ROUTE,
    ZONE,
    House,
    annotations_of,
    ingress,
    wish,
)


@pytest.mark.parametrize("minutes", [-30, 30], ids=["behind", "ahead"])
@pytest.mark.parametrize("wanted", [True, False], ids=["linked", "deleted"])
def test_the_time_that_an_engine_is_given_is_counted_by_our_own_clock_alone(minutes: int, wanted: bool) -> None:
    house = House(wish(HSTS))
    for action in house.plan().actions:
        house.world.act(action, NOW)
    # The API server's clock is off, and so is that of the operator before us: what it has seen is not known here.
    stamp = to_rfc3339(NOW + timedelta(minutes=minutes))
    house.world.manifest(COMPANION)["metadata"]["creationTimestamp"] = stamp
    if not wanted:
        house.ask()
    first = house.look(NOW)
    assert (first.actions, first.due) == ((), NOW + GRACE)
    (action,) = house.plan(NOW + GRACE).actions
    assert isinstance(action, ApplyFields if wanted else DeleteObject)


def test_a_clock_that_was_set_back_begins_the_wait_anew_and_not_later() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW + timedelta(hours=1))
    assert house.look(NOW).due == NOW + GRACE
    assert house.annotation(NOW + GRACE) == {LINKS: HSTS_LINK}


def test_a_companion_that_is_wanted_again_before_it_went_is_linked_again() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW - GRACE)
    house.ask()
    house.look()
    house.ask(wish(HSTS))
    assert house.annotation() == {LINKS: HSTS_LINK}


def test_a_companion_to_which_a_copied_ingress_links_stays_until_that_link_is_gone() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW - GRACE)
    house.ask()
    copies = {LINKS: f"own@file, {HSTS_LINK}", ZONES: f"HSTS=zone@{CREATED}"}
    for name in ("copy-1", "copy-2"):
        house.world.put(ingress(copies, by="kubectl-client-side-apply", name=name), by="user")
    (marked,) = house.look().actions
    assert isinstance(marked, ApplyObject)
    assert marked.notable
    assert "Ingress copy-1, copy-2 links to it" in marked.message
    assert marked.manifest["spec"] == {"headers": {"stsSeconds": 600}}
    house.make()
    assert house.world.manifest(COMPANION)["metadata"]["annotations"][KEPT_FOR] == "copy-1, copy-2"
    assert house.look(NOW + 10 * GRACE).actions == ()
    for name in ("copy-1", "copy-2"):
        house.world.put(ingress({}, name=name), by="user")
    later = NOW + 20 * GRACE
    assert house.look(later).due == later + GRACE
    assert [type(action) for action in house.plan(later + GRACE).actions] == [DeleteObject]


def test_a_link_of_another_namespace_holds_nothing() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW - GRACE)
    house.ask()
    elsewhere = ingress({LINKS: HSTS_LINK}, by="kubectl", name="copy")
    elsewhere["metadata"]["namespace"] = "other"
    house.world.put(elsewhere, by="user")
    assert [type(action) for action in house.plan().actions] == [DeleteObject]


def test_nothing_is_deleted_while_nobody_can_tell_who_links_to_it() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW - GRACE)
    house.ask()
    house.world.obscure(INGRESS)
    assert house.plan(NOW + 10 * GRACE).actions == ()


def test_who_asked_is_written_beside_what_stands() -> None:
    house = House(wish(HSTS), annotations={"nginx.org/mergeable-ingress-type": "master"})
    house.ask(wish(HSTS, zone="a", created=CREATED), wish(REDIRECT, zone="b", created=LATER))
    house.make(created=NOW - GRACE)
    assert house.recorded() == f"HSTS=a@{CREATED},HTTPSRedirect=b@{LATER}"


@pytest.mark.parametrize("controller", ["traefik.io/ingress-controller", "nginx.org/ingress-controller"])
def test_what_stands_for_a_paused_zone_stays_though_it_asks_for_less(controller: str) -> None:
    preload = Hsts(31536000, include_sub_domains=True, preload=True)
    house = House(wish(preload, REDIRECT), controller=controller)
    house.make(created=NOW - GRACE)
    house.annotate(house.annotation() or {})
    for narrower in (wish(preload, enforced=False), wish(enforced=False)):
        house.ask(narrower)
        assert house.plan(NOW + 10 * GRACE).actions == ()
    house.ask(wish(preload))
    (action,) = house.plan().actions
    assert isinstance(action, ApplyFields)
    assert action.takes_away
    assert house.recorded() == f"HSTS=zone@{CREATED}"
    house.ask()
    (action,) = house.plan().actions
    assert isinstance(action, ApplyFields)
    assert annotations_of(action) == {}


def test_a_paused_zone_holds_what_stands_for_it_and_nothing_of_others() -> None:
    house = House(annotations={LINKS: HSTS_LINK})
    house.ask(wish(zone="other", enforced=False))
    assert house.annotation() == {}


@pytest.mark.parametrize("controller", ["traefik.io/ingress-controller", "nginx.org/ingress-controller", "new.dev/x"])
@pytest.mark.parametrize("permit", [None, REFUSED], ids=["not judged yet", "refused"])
def test_what_a_vanished_zone_left_waits_for_a_permit(controller: str, permit: Permit | None) -> None:
    house = House(annotations=OF_ENGINE[controller], controller=controller)
    house.world.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bpm"}}, by="user")
    house.world.forget(("prune", ZONE))
    if permit is not None:
        house.world.state(("prune", ZONE), permit)
    world = World(house.world, ROUTE)
    kept = restrain(plan(ROUTE, world, NOW), world, ROUTE)
    # What is kept back is seen, and keeps the Route from being forgotten.
    assert (kept.actions, [item.reason for item in kept.withheld]) == ((), [permit.reason if permit else "NotSettled"])
    house.world.state(("prune", ZONE), PERMITTED)
    world = World(house.world, ROUTE)
    (action,) = restrain(plan(ROUTE, world, NOW), world, ROUTE).actions
    assert isinstance(action, ApplyFields)
    assert action.gone == (Gone(Ref(SECURITY_ZONE, "bpm", "zone"), "definition"),)
    assert annotations_of(action) == {}


def test_what_waits_for_a_permit_is_no_hindrance_to_what_others_want() -> None:
    house = House(annotations={LINKS: HSTS_LINK})
    house.world.state(("prune", ZONE), REFUSED)
    house.ask(wish(REDIRECT, zone="other", created=LATER))
    house.make(created=NOW - GRACE)
    (action,) = house.plan().actions
    assert isinstance(action, ApplyFields)
    assert annotations_of(action)[LINKS] == f"{REDIRECT_LINK},{HSTS_LINK}"
    assert annotations_of(action)[ZONES] == f"HSTS=zone@{CREATED},HTTPSRedirect=other@{LATER}"
    assert action.gone == ()


def test_a_zone_that_takes_over_needs_no_permit() -> None:
    house = House(annotations={LINKS: HSTS_LINK})
    house.world.state(("prune", ZONE), REFUSED)
    house.ask(wish(HSTS, zone="heir", created=LATER))
    house.make(created=NOW - GRACE)
    assert house.annotation() == {LINKS: HSTS_LINK}
    assert house.recorded() == f"HSTS=heir@{LATER}"


def test_a_zone_that_is_there_lets_go_without_a_permit() -> None:
    house = House(annotations={LINKS: HSTS_LINK})
    house.world.state(("prune", ZONE), REFUSED)
    metadata = {"name": "zone", "namespace": "bpm", "creationTimestamp": CREATED}
    declared = {"apiVersion": "breakwater.dev/v1alpha1", "kind": "SecurityZone", "metadata": metadata, "spec": {}}
    house.world.put(declared, by="user")
    assert house.annotation() == {}


@pytest.mark.parametrize("text", ["", "HSTS", "HSTS=zone", "HSTS=zone@noon", "Other=zone@2026-01-01T00:00:00Z", ",=@,"])
def test_a_record_that_was_edited_into_nonsense_holds_nothing(text: str) -> None:
    house = House(annotations={LINKS: HSTS_LINK, ZONES: text})
    house.world.state(("prune", ZONE), REFUSED)
    assert house.annotation() == {}


def test_the_gate_is_told_of_a_zone_by_what_it_asked_for_and_not_by_the_ingress_around_it() -> None:
    house = House(annotations={LINKS: f"{REDIRECT_LINK},{HSTS_LINK}"})
    ((ref, mark),) = house.left()
    assert (ref, mark.subject, mark.created, mark.released) == (REF, ZONE, CREATED, False)
    house.world.edit(REF, lambda found: found.update(addresses=["192.0.2.9"]), by="controller")
    assert house.left() == [(ref, mark)]
    house.annotate({LINKS: HSTS_LINK})
    assert house.left()[0][1].version != mark.version
    house.annotate({LINKS: HSTS_LINK, ZONES: f"HSTS=zone@{CREATED}"}, by="kubectl")
    assert house.left() == []
