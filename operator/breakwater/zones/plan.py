"""The plan of a SecurityZone: it says to the Routes of its Ingresses what it wants, and judges what came of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from breakwater.kernel.condition import Condition, false, true, unknown, written
from breakwater.kernel.declaration import Declared, declared_by
from breakwater.kernel.durable import measurement_status
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import CREATED, Present, Unknown
from breakwater.kernel.references import INGRESS, SECURITY_ZONE, Ref, Subject
from breakwater.kernel.restrain import effective_mode
from breakwater.kernel.settings import Mode
from breakwater.kernel.time import earliest
from breakwater.kernel.world import World
from breakwater.zones.dialects.dialect import State
from breakwater.zones.ingress import INGRESS_FACTS, Ingress, route_of
from breakwater.zones.judged import MOST_SHOWN, Judged, judge
from breakwater.zones.kind import SecurityZoneSpec
from breakwater.zones.ramp import Ramp, permitted, proceeding, steps_of
from breakwater.zones.record import touched
from breakwater.zones.wishes import Feature, Hsts, Redirect, Setting, Wish

Held = dict[str, tuple[Feature, ...]]
DECLARED = declared_by(SecurityZoneSpec)
_IN_PLACE = (State.ENFORCED, State.CONFIGURED)


def plan(subject: Subject, world: World, now: datetime) -> Plan:
    """Mentions for the Routes, measurements of live answers, and a status of both."""
    reading = world.get(Ref(SECURITY_ZONE, subject.namespace, subject.name), DECLARED)
    if not isinstance(reading, Present):
        return Plan()
    declared = reading.value
    if declared.spec is None:
        return _refused(subject, declared, world, now)
    selected = world.select(
        INGRESS, INGRESS_FACTS, selector=declared.spec.ingress_selector, namespace=subject.namespace
    )
    if isinstance(selected, Unknown):
        return _untold(declared, selected, now)
    ingresses = tuple(ingress for _, ingress in selected.value) if isinstance(selected, Present) else ()
    return _Zone(subject, declared, declared.spec, world, now).plan(ingresses)


@dataclass(frozen=True, slots=True)
class _Zone:
    """One zone's plan under way."""

    subject: Subject
    declared: Declared[SecurityZoneSpec]
    spec: SecurityZoneSpec
    world: World
    now: datetime

    def plan(self, ingresses: tuple[Ingress, ...]) -> Plan:
        status = self.declared.status
        step = permitted(self.spec.hsts, status)
        wish = self._wish(step)
        held = {} if wish.enforced else self._held(wish, ingresses)
        judged = [
            judge(wish, feature, ingress, status, self.world, self.spec.probe.interval, self.now)
            for ingress in ingresses
            for feature in wish.settings
        ]
        ramp = self._ramp(step, judged)
        measures = tuple(item.measure for item in judged if item.measure is not None)
        return Plan(
            # What a Route has not heard yet it has not answered; until then status stays as it is.
            status=self._status(judged, ramp, ingresses, held) if all(item.heard for item in judged) else None,
            measures=measures,
            mentions=_mentions(self.subject.namespace, wish, ingresses, held),
            due=earliest(self._next(step, ramp), *(item.due for item in judged)),
            mode=self.spec.mode,
            suspended=self.spec.suspend,
        )

    def _held(self, wish: Wish, ingresses: tuple[Ingress, ...]) -> Held:
        """What stands for this zone though it does not ask for it any more: it stays while the zone is paused."""
        selected = {ingress.name for ingress in ingresses}
        found: Held = {}
        for name, features in touched(self.subject, self.world).items():
            left = tuple(item for item in features if name not in selected or item not in wish.settings)
            if left:
                found[name] = left
        return found

    def _next(self, step: Ramp, ramp: Ramp | None) -> datetime | None:
        """When the ramp goes on: at once where the next step has just been reached."""
        if ramp is None or ramp.max_age == step.max_age:
            return ramp.next_at if ramp else None
        return self.now

    def _wish(self, ramp: Ramp) -> Wish:
        settings: dict[Feature, Setting] = {}
        hsts, redirect = self.spec.hsts, self.spec.https_redirect
        if redirect.enabled:
            settings[Feature.HTTPS_REDIRECT] = Redirect(int(redirect.status_code))
        if hsts.enabled:
            settings[Feature.HSTS] = Hsts(ramp.max_age, hsts.include_sub_domains, hsts.preload, steps_of(hsts))
        mode = effective_mode(self.spec.mode, self.world, self.subject.namespace)
        enforced = mode is Mode.ENFORCE and not self.spec.suspend and not self.declared.deleting
        created = self.world.metadata(Ref(SECURITY_ZONE, self.subject.namespace, self.subject.name), CREATED)
        return Wish(
            self.subject.name,
            created.value if isinstance(created, Present) else "",
            enforced=enforced,
            settings=settings,
        )

    def _ramp(self, ramp: Ramp, judged: list[Judged]) -> Ramp | None:
        if not self.spec.hsts.enabled:
            return None
        ours = [item for item in judged if item.feature is Feature.HSTS]
        sent = max((item.setting.max_age for item in ours if isinstance(item.setting, Hsts)), default=ramp.max_age)
        proven = bool(ours) and all(item.state is State.ENFORCED for item in ours)
        return proceeding(self.spec.hsts, ramp, self.now, sent=sent, proven=proven)

    def _status(
        self, judged: list[Judged], ramp: Ramp | None, ingresses: tuple[Ingress, ...], held: Held
    ) -> dict[str, Any]:
        conditions = [true("Accepted", "Accepted"), self._ready(judged, ingresses, held), _proven(judged)]
        status = _written(self.declared, conditions, self.now)
        features = [item.status for item in judged[:MOST_SHOWN]]
        seen = [measurement_status(item.measured) for item in judged if item.measured is not None][:MOST_SHOWN]
        status |= {"features": features} if features else {}
        status |= {"hsts": ramp.status} if ramp else {}
        return status | ({"measurements": seen} if seen else {})

    def _ready(self, judged: list[Judged], ingresses: tuple[Ingress, ...], held: Held) -> Condition:
        if not ingresses and not held:
            return false("Ready", "NoIngress", "spec.ingressSelector selects no Ingress of this namespace; label one")
        if self.spec.suspend:
            waits = f"spec.suspend is true; set it to false to have this done: {_all(judged, held)}"
            return false("Ready", "Suspended", waits)
        if effective_mode(self.spec.mode, self.world, self.subject.namespace) is Mode.OBSERVE:
            missing = [item for item in judged if item.state is not State.ENFORCED]
            if missing or held:
                whose = "of the resource, its namespace or the operator"
                would = f"mode is Observe ({whose}); Enforce would do: {_all(missing, held)}"
                return false("Ready", "Observed", would)
            return true("Ready", "Ready", "mode is Observe; live answers are as declared already")
        for item in judged:
            if not item.in_place:
                return false("Ready", item.reason, f"{item.feature} on Ingress {item.ingress}: {item.detail}")
        return true("Ready", "Ready", "everything that was declared is configured")


def _mentions(namespace: str, wish: Wish, ingresses: tuple[Ingress, ...], held: Collection[str]) -> dict[Subject, Wish]:
    nothing = replace(wish, settings={})
    return {route_of(namespace, name): nothing for name in held} | {
        route_of(namespace, ingress.name): wish for ingress in ingresses
    }


def _all(judged: list[Judged], held: Held) -> str:
    wanted = [f"{item.ingress}: {item.setting}" for item in judged]
    left = [f"{name}: take away {' and '.join(features)}" for name, features in sorted(held.items())]
    return "; ".join((*wanted, *left))


def _proven(judged: list[Judged]) -> Condition:
    for state, build, reason in (
        (State.FAILING, false, "Failing"),
        (State.UNSUPPORTED, false, "Unsupported"),
        (State.PARTIAL, unknown, "Partial"),
        (State.CONFIGURED, unknown, "NotMeasured"),
    ):
        for item in judged:
            if item.state is state:
                return build("Proven", reason, f"{item.feature} on Ingress {item.ingress}: {item.detail}")
    if not judged:
        return unknown("Proven", "NothingDeclared", "no feature is enabled, or no Ingress is selected")
    return true("Proven", "Verified", "live answers of all Ingresses are as declared")


def _written(declared: Declared[SecurityZoneSpec], conditions: list[Condition], now: datetime) -> dict[str, Any]:
    return {
        "observedGeneration": declared.generation,
        "conditions": written(conditions, declared.status.get("conditions"), declared.generation, now),
    }


def _untold(declared: Declared[SecurityZoneSpec], why: Unknown, now: datetime) -> Plan:
    conditions = [true("Accepted", "Accepted"), unknown("Ready", why.reason, f"Ingresses: {why.message}")]
    return Plan(status=_remembered(declared) | _written(declared, conditions, now))


def _refused(subject: Subject, declared: Declared[SecurityZoneSpec], world: World, now: datetime) -> Plan:
    """What it has had written stays as it is, until somebody can tell again what is wanted."""
    held = Wish(subject.name, "", enforced=False, settings={})
    conditions = [false(kind, "InvalidSpec", declared.fault) for kind in ("Accepted", "Ready")]
    return Plan(
        status=_remembered(declared) | _written(declared, conditions, now),
        mentions={route_of(subject.namespace, name): held for name in touched(subject, world)},
    )


def _remembered(declared: Declared[SecurityZoneSpec]) -> dict[str, Any]:
    return {key: value for key, value in declared.status.items() if key not in ("conditions", "observedGeneration")}
