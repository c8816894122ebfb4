"""One feature on one Ingress: what its Route made of it, and what live answers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from breakwater.kernel.durable import durable, next_turn
from breakwater.kernel.measurement import Measure, Measurement, Result
from breakwater.kernel.reading import Present
from breakwater.kernel.world import World
from breakwater.probes.web import Sts
from breakwater.zones.dialects.dialect import Said, State
from breakwater.zones.ingress import Ingress, route_of
from breakwater.zones.proof import measure_of
from breakwater.zones.route import Standing
from breakwater.zones.wishes import Feature, Hsts, Setting, Wish

MOST_SHOWN = 64
_LONGEST_DETAIL = 1024
_NOT_YET = Said(State.PARTIAL, "not decided yet", pending=True)
_OBSERVED = "mode is Observe, so nothing is written"


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgement.

    Attributes:
        setting: what is wanted; of a ramp the step that the Ingress is given.
        in_place: whether all that is to be written is; live answers may say otherwise.
        reason: CamelCase, for a condition.
        measure: to keep fresh; None where there is nothing to measure.
        measured: the measurement to show.
        heard: whether the Route has answered.
    """

    feature: Feature
    ingress: str
    setting: Setting
    state: State
    detail: str
    engine: str
    in_place: bool
    reason: str
    measure: Measure | None = None
    measured: Measurement | None = None
    due: datetime | None = None
    heard: bool = True

    @property
    def status(self) -> dict[str, Any]:
        """An item of `status.features`."""
        entry = {"name": self.feature.value, "ingress": self.ingress, "state": self.state.value}
        entry |= {"engine": self.engine} if self.engine else {}
        return entry | ({"detail": self.detail[:_LONGEST_DETAIL]} if self.detail else {})


def judge(
    wish: Wish,
    feature: Feature,
    ingress: Ingress,
    status: Mapping[str, Any],
    world: World,
    interval: timedelta,
    now: datetime,
) -> Judged:
    """Put the Route's word and the live answer together."""
    reading = world.derived(route_of(ingress.namespace, ingress.name))
    heard = isinstance(reading, Present)
    standing = reading.value if isinstance(reading, Present) else Standing("")
    setting, said, reason = _said(wish, feature, standing)
    measure = measure_of(feature, _expected(setting, standing), ingress, interval)
    if isinstance(measure, str):
        state, detail = _seen(said, None, measure)
        return Judged(
            feature, ingress.name, setting, state, detail, standing.engine, said.in_place, reason, heard=heard
        )
    measured = durable(world, status, measure, now)
    valid = measured if measured is not None and now <= measured.valid_until else None
    state, detail = _seen(said, valid, "not measured yet")
    due = next_turn(measured, now) if measured is not None else None
    return Judged(
        feature,
        ingress.name,
        setting,
        state,
        detail,
        standing.engine,
        said.in_place,
        reason,
        measure,
        measured,
        due,
        heard,
    )


def _expected(setting: Setting, standing: Standing) -> Sts | tuple[int, ...]:
    """What the engine's answers should show where the setting is in force."""
    if isinstance(setting, Hsts):
        return Sts(setting.max_age, setting.include_sub_domains, setting.preload or standing.adds_preload)
    return standing.answers.get(setting.status_code, (setting.status_code,))


def _said(wish: Wish, feature: Feature, standing: Standing) -> tuple[Setting, Said, str]:
    setting = wish.settings[feature]
    if standing.why_not:
        return setting, Said(State.UNSUPPORTED, standing.why_not), "Unsupported"
    outcome = standing.outcomes.get(feature)
    if outcome is None:
        return setting, _NOT_YET, "Pending"
    if not wish.enforced:
        return setting, _observed(outcome.said), "Observed"
    if outcome.decided is None:
        return setting, _NOT_YET, "Pending"
    if outcome.decided.zone == wish.zone:
        return outcome.decided.setting, outcome.said, outcome.said.state.value
    if _is_the_same(outcome.decided.setting, setting):
        return setting, outcome.said, outcome.said.state.value
    message = (
        f"SecurityZone {outcome.decided.zone} is older and decides: {outcome.decided.setting}; let both say the same, "
        "or let ingressSelector of one of them leave this Ingress out"
    )
    return setting, Said(State.FAILING, message), "Overruled"


def _observed(said: Said) -> Said:
    return said if said.state is State.UNSUPPORTED else Said(State.PARTIAL, _OBSERVED, pending=True)


def _is_the_same(one: Setting, other: Setting) -> bool:
    return str(one) == str(other)


def _seen(said: Said, measured: Measurement | None, otherwise: str) -> tuple[State, str]:
    holds = measured is not None and measured.result is Result.HOLDS
    fails = measured is not None and measured.result is Result.FAILS
    if said.detail == _OBSERVED and (holds or fails):
        return (State.ENFORCED, "") if holds else (State.FAILING, f"{_OBSERVED}, and live answers do not show it")
    if said.pending or said.state in (State.UNSUPPORTED, State.FAILING):
        return said.state, said.detail
    if measured is not None and fails:
        return State.FAILING, measured.message
    if said.state is State.PARTIAL and not (said.presumed and holds):
        return said.state, said.detail
    if holds:
        return State.ENFORCED, "" if said.presumed else said.detail
    return State.CONFIGURED, measured.message if measured else f"{said.detail}; {otherwise}".removeprefix("; ")
