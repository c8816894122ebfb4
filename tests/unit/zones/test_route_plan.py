"""What a Route writes on an Ingress and beside it: in an order that never breaks it, and nothing of others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from breakwater.kernel.plan import ApplyFields, ApplyObject, DeleteObject, Failure, Version
from breakwater.kernel.references import INGRESS_CLASS, MIDDLEWARE, Ref
from breakwater.zones.companions import GRACE
from breakwater.zones.dialects.dialect import State
from breakwater.zones.dialects.traefik import LINKS
from breakwater.zones.ingress import FIELD_MANAGER
from breakwater.zones.route import ANNOTATE, Standing
from breakwater.zones.wishes import Feature, Hsts
from tests.unit.zones.house import (
    HSTS,
    HSTS_LINK,
    NAMES,
    NOW,
    REDIRECT,
    REDIRECT_LINK,
    REF,
    ROUTE,
    House,
    annotations_of,
    ingress,
    ingress_class,
    wish,
)


def test_a_companion_is_made_first_and_linked_when_the_engine_has_had_the_time_to_see_it() -> None:
    house = House(wish(HSTS))
    (made,) = house.plan().actions
    assert isinstance(made, ApplyObject)
    assert made.manifest["spec"] == {"headers": {"stsSeconds": 600}}
    house.make()
    early = house.plan(NOW + GRACE - timedelta(seconds=1))
    assert (early.actions, early.due) == ((), NOW + GRACE)
    assert house.said()[0] is State.PARTIAL
    assert house.annotation(NOW + GRACE) == {LINKS: HSTS_LINK}
    house.annotate({LINKS: HSTS_LINK})
    assert house.plan(NOW + GRACE).actions == ()
    assert house.said(now=NOW + GRACE)[0] is State.CONFIGURED


def test_an_ingress_is_annotated_by_a_manager_of_its_own_on_the_object_that_was_looked_at() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW - GRACE)
    (action,) = house.plan().actions
    assert isinstance(action, ApplyFields)
    live = house.world.manifest(REF)["metadata"]
    assert (action.manager, action.target) == (FIELD_MANAGER, REF)
    assert action.decided_on == Version(live["uid"], live["resourceVersion"])
    assert set(action.manifest) == {"apiVersion", "kind", "metadata"}


def test_a_companion_goes_last_when_the_engine_has_had_the_time_to_see_that_nothing_links_to_it() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW - GRACE)
    house.annotate({LINKS: HSTS_LINK})
    house.ask()
    (first,) = house.plan().actions
    assert isinstance(first, ApplyFields)
    assert (annotations_of(first), first.takes_away) == ({}, True)
    house.look()
    house.annotate({})
    assert house.look().actions == ()
    assert house.plan(NOW + GRACE - timedelta(seconds=1)).due == NOW + GRACE
    (second,) = house.plan(NOW + GRACE).actions
    assert isinstance(second, DeleteObject)
    assert second.takes_away


def test_a_companion_that_the_owner_links_to_by_his_own_hand_stays() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW - GRACE)
    house.annotate({LINKS: f"own@file,{HSTS_LINK}"}, by="owner")
    house.ask()
    assert house.plan(NOW + 10 * GRACE).actions == ()


def test_a_redirect_goes_when_the_ingress_serves_no_https_any_more_and_the_rest_stays() -> None:
    house = House(wish(HSTS, REDIRECT))
    house.make(created=NOW - GRACE)
    house.world.put(ingress({LINKS: f"{REDIRECT_LINK},{HSTS_LINK}"}, tls=None), by="user")
    assert house.annotation() == {LINKS: HSTS_LINK}
    state, detail = house.said(Feature.HTTPS_REDIRECT)
    assert (state, "taken away where it was. Add spec.tls" in detail) == (State.UNSUPPORTED, True)
    assert house.said()[0] is State.PARTIAL


@pytest.mark.parametrize("controller", ["traefik.io/ingress-controller", "nginx.org/ingress-controller"])
def test_visitors_are_not_sent_to_an_https_that_is_not_served(controller: str) -> None:
    house = House(wish(REDIRECT), controller=controller, tls=None)
    assert house.plan().actions == ()
    assert house.said(Feature.HTTPS_REDIRECT)[0] is State.UNSUPPORTED


def test_http_is_redirected_before_headers_are_added() -> None:
    house = House(wish(HSTS, REDIRECT))
    house.make(created=NOW - GRACE)
    assert house.annotation() == {LINKS: f"{REDIRECT_LINK},{HSTS_LINK}"}


def test_a_second_feature_is_linked_beside_the_first_which_stays_linked_meanwhile() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW - GRACE)
    house.annotate({LINKS: HSTS_LINK})
    house.ask(wish(HSTS, REDIRECT))
    house.make()
    assert house.annotation() is None
    assert house.annotation(NOW + GRACE) == {LINKS: f"{REDIRECT_LINK},{HSTS_LINK}"}


def test_an_annotation_of_somebody_else_is_left_alone_and_the_line_to_add_is_named() -> None:
    house = House(wish(HSTS), annotations={LINKS: "own@file"}, by="owner")
    house.make(created=NOW - GRACE)
    assert house.annotation() is None
    state, detail = house.said()
    assert state is State.FAILING
    assert '"owner"' in detail
    assert detail.endswith(f"{LINKS}: own@file,{HSTS_LINK}")


def test_half_of_a_feature_is_not_written_where_somebody_else_holds_the_other_half() -> None:
    house = House(
        wish(Hsts(31536000, include_sub_domains=True, preload=True), REDIRECT),
        annotations={"nginx.org/hsts-max-age": "1"},
        by="owner",
        controller="nginx.org/ingress-controller",
        tls=[{}],
    )
    assert house.annotation() == {"nginx.org/ssl-redirect": "true", "nginx.org/http-redirect-code": "308"}
    state, detail = house.said()
    assert (state, detail.endswith("nginx.org/hsts-max-age: 31536000")) == (State.FAILING, True)


@pytest.mark.parametrize("between", [",", ", ", " ,"])
def test_an_owner_who_has_added_the_line_is_served_and_keeps_what_he_links_to(between: str) -> None:
    house = House(wish(HSTS), annotations={LINKS: f"own@file{between}{HSTS_LINK}"}, by="owner")
    house.make(created=NOW - GRACE)
    assert house.plan().actions == ()
    assert house.said()[0] is State.CONFIGURED
    house.ask()
    assert house.plan(NOW + 10 * GRACE).actions == ()


def test_a_companion_that_is_about_to_be_written_is_not_linked_yet() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW - GRACE)
    companion = Ref(MIDDLEWARE, "bpm", NAMES[Feature.HSTS])
    # As it stands for a moment when the Ingress was made anew: with the owner that is gone.
    house.world.edit(
        companion, lambda found: found["metadata"]["ownerReferences"][0].update(uid="gone"), by="breakwater"
    )
    assert [type(action) for action in house.plan().actions] == [ApplyObject]


def test_a_companion_that_cannot_be_read_is_told() -> None:
    house = House(wish(HSTS))
    house.world.obscure(MIDDLEWARE, "Forbidden")
    assert house.said() == (State.FAILING, f"Middleware bpm/{NAMES[Feature.HSTS]}: {MIDDLEWARE} cannot be told")


def test_a_class_that_is_being_replaced_does_not_strip_what_stands() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW - GRACE)
    house.annotate({LINKS: HSTS_LINK})
    house.world.drop(Ref(INGRESS_CLASS, "", "web"))
    assert house.plan(NOW + 10 * GRACE).actions == ()


def test_a_number_that_nobody_could_mean_does_no_harm() -> None:
    change = {"annotations": {"nginx.org/hsts": "true", "nginx.org/hsts-max-age": "9" * 5000}, "tls": [{}]}
    house = House(wish(HSTS), controller="nginx.org/ingress-controller", **change)
    assert isinstance(house.plan().value, Standing)


@pytest.mark.parametrize("feature", [Feature.HSTS, Feature.HTTPS_REDIRECT])
def test_what_only_observes_leaves_what_stands_and_adds_nothing(feature: Feature) -> None:
    house = House(wish(HSTS, REDIRECT))
    house.make(created=NOW - GRACE)
    house.annotate({LINKS: f"{REDIRECT_LINK},{HSTS_LINK}"})
    house.ask(wish(HSTS, REDIRECT, enforced=False))
    assert house.plan(NOW + 10 * GRACE).actions == ()
    assert House(wish(HSTS, REDIRECT, enforced=False)).plan().actions == ()
    standing = house.plan().value
    assert isinstance(standing, Standing)
    assert standing.outcomes[feature].decided is None


def test_a_ramp_does_not_go_back_though_its_status_was_lost() -> None:
    house = House(wish(Hsts(3600, steps=(10, 3600, 7200))))
    house.make(created=NOW - GRACE)
    house.annotate({LINKS: HSTS_LINK})
    house.ask(wish(Hsts(10, steps=(10, 3600, 7200))))
    assert house.plan().actions == ()
    house.ask(wish(Hsts(10, steps=(10, 60, 7200))))
    assert [action.id for action in house.plan().actions] == [f"companion:{NAMES[Feature.HSTS]}"]


def test_a_name_that_is_taken_is_told_and_not_adopted() -> None:
    house = House(wish(HSTS))
    name = NAMES[Feature.HSTS]
    foreign = {"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware"}
    house.world.put(foreign | {"metadata": {"name": name, "namespace": "bpm"}, "spec": {}}, by="owner")
    assert house.plan().actions == ()
    state, detail = house.said()
    assert (state, name in detail) == (State.FAILING, True)


def test_a_write_that_was_refused_is_told() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW - GRACE)
    house.world.fail(ROUTE, ANNOTATE, Failure("Forbidden", "ask for patch on ingresses"))
    assert house.said() == (State.FAILING, "ask for patch on ingresses")


ENGINES: dict[str, tuple[dict[str, Any], str]] = {
    "an engine of others": ({"controller": "example.com/other"}, "example.com/other"),
    "a class that does not exist": ({"ingressClassName": "none"}, "IngressClass none does not exist"),
    "no class, and no default one": ({"ingressClassName": None}, "no IngressClass is the default one"),
}


@pytest.mark.parametrize("sentence", ENGINES)
def test_where_nothing_can_be_written_the_reason_is_told(sentence: str) -> None:
    change, words = ENGINES[sentence]
    house = House(wish(HSTS), **change)
    done = house.plan()
    assert done.actions == ()
    assert words in done.value.why_not


def test_an_engine_whose_definitions_are_missing_is_told() -> None:
    house = House(wish(HSTS))
    house.world.obscure(MIDDLEWARE, "NotServed")
    assert house.plan().actions == ()
    state, detail = house.said()
    assert state is State.UNSUPPORTED
    assert "install Traefik's CRDs" in detail


def test_what_was_made_for_one_engine_goes_when_another_serves_the_ingress() -> None:
    house = House(wish(HSTS))
    house.make(created=NOW - GRACE)
    house.annotate({LINKS: HSTS_LINK})
    house.world.put(ingress_class("nginx.org/ingress-controller"), by="owner")
    first = [action for action in house.plan().actions if isinstance(action, ApplyFields)]
    assert [action.manifest["metadata"]["annotations"] for action in first] == [{}]
    house.annotate({})
    house.look()
    assert [type(action) for action in house.plan(NOW + GRACE).actions] == [DeleteObject]


def test_an_ingress_that_is_being_deleted_is_left_alone() -> None:
    house = House(wish(HSTS))
    house.world.edit(REF, lambda found: found["metadata"].update(deletionTimestamp="2026-06-01T00:00:00Z"), by="user")
    done = house.plan()
    assert (done.actions, done.value.why_not) == ((), "the Ingress is being deleted")
