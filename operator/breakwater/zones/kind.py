"""SecurityZone: the web rules of some Ingresses, as their owner wants them (WF-120 to WF-124)."""

from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Annotated

from pydantic import Field, Strict

from breakwater.kernel.durable import MeasurementStatus
from breakwater.kernel.fields import Between, Flag, Instant, LabelSelector, Word
from breakwater.kernel.kind import AGE, READY, REASON, Column, Kind, StatusModel
from breakwater.kernel.model import Model
from breakwater.kernel.references import SECURITY_ZONE
from breakwater.kernel.rules import Items, Rule
from breakwater.kernel.settings import Mode
from breakwater.zones.dialects.dialect import State

YEAR = 31536000
"""Seconds; the shortest max-age that the preload list of browsers takes, and the usual one."""
LONGEST = 2 * YEAR

Seconds = Annotated[int, Strict(), Field(ge=0, le=LONGEST)]


def _flag(path: str) -> str:
    """A flag in CEL, false where it is left out."""
    return f"(has(self.{path}) && self.{path})"


class ZoneName(StrEnum):
    """Which zone of the guideline it stands for; Custom is none of them."""

    DEFAULT = "Default"
    MOBILE = "Mobile"
    PORTLET = "Portlet"
    ALTERNATE = "Alternate"
    CUSTOM = "Custom"


class RedirectCode(IntEnum):
    """How a request is sent elsewhere; 307 and 308 keep its method."""

    MOVED = 301
    FOUND = 302
    TEMPORARY = 307
    PERMANENT = 308


class Hsts(Model):
    """Strict-Transport-Security (RFC 6797). Off unless enabled: browsers keep to it for as long as it says."""

    rules = (
        Rule(
            cel=f"!{_flag('preload')} || (self.maxAge >= {YEAR} && {_flag('includeSubDomains')})",
            message=f"is taken by browsers' lists only with maxAge of at least {YEAR} and includeSubDomains: set both, "
            "or preload to false",
            holds=lambda self: not self.preload or (self.max_age >= YEAR and self.include_sub_domains),
            field=".preload",
        ),
        Rule(
            cel=f"!{_flag('preload')} || !has(self.ramp) || size(self.ramp) == 0",
            message="is taken by browsers' lists only at the last step: let the ramp end, remove it, then set preload",
            holds=lambda self: not (self.preload and self.ramp),
            field=".preload",
        ),
        Rule(
            cel="!has(self.ramp) || self.ramp.all(step, step < self.maxAge)",
            message="must be shorter than maxAge, which is the last step",
            holds=lambda self: all(step < self.max_age for step in self.ramp),
            field=".ramp",
        ),
        Rule(
            cel="!has(self.ramp) || (self.ramp.isSorted() && "
            "self.ramp.all(step, self.ramp.exists_one(other, other == step)))",
            message="must rise from step to step",
            holds=lambda self: list(self.ramp) == sorted(set(self.ramp)),
            field=".ramp",
        ),
        Rule(
            cel=f"{_flag('enabled')} || self.maxAge > 0",
            message="takes HSTS back, which is a header too: set enabled to true with it",
            holds=lambda self: self.enabled or self.max_age > 0,
            field=".maxAge",
        ),
    )

    enabled: Flag = False
    """Whether the header is sent on https; never on plain http."""
    max_age: Seconds = YEAR
    """For how many seconds a browser comes by https only. 0 takes it back: browsers forget."""
    include_sub_domains: Flag = False
    """Whether that holds for all names below, too."""
    preload: Flag = False
    """Whether the name may be built into browsers. That is hardly ever taken back."""
    ramp: Annotated[tuple[Annotated[int, Strict(), Field(ge=1, le=LONGEST)], ...], Items(8)] = ()
    """Shorter max-ages to begin with, rising; each is left for the next when it was proven for as long as it says."""


class HttpsRedirect(Model):
    """Requests by plain http are sent to https."""

    enabled: Flag = False
    """Whether they are."""
    status_code: RedirectCode = RedirectCode.PERMANENT
    """With which status."""


class ZoneProbe(Model):
    """How often answers are looked at."""

    interval: Annotated[timedelta, Between("5s", "24h")] = timedelta(minutes=5)
    """From one look to the next."""


class SecurityZoneSpec(Model):
    """The rules of a zone."""

    rules = (
        Rule(
            cel=f"!{_flag('hsts.preload')} || {_flag('httpsRedirect.enabled')}",
            message="is taken by browsers' lists only where plain http is redirected: enable httpsRedirect, or set "
            "preload to false",
            holds=lambda self: not self.hsts.preload or self.https_redirect.enabled,
            field=".hsts.preload",
        ),
    )

    mode: Mode = Mode.OBSERVE
    """Observe: looked at and planned, nothing on others' Ingresses changed. Enforce: done."""
    suspend: Flag = False
    """Status goes on, nothing else is written."""
    zone: ZoneName = ZoneName.DEFAULT
    """Which zone of the guideline it is."""
    ingress_selector: LabelSelector
    """Ingresses of this namespace that belong to it. Empty selects all of them."""
    hsts: Hsts = Hsts()
    """Strict-Transport-Security."""
    https_redirect: HttpsRedirect = HttpsRedirect()
    """From http to https."""
    probe: ZoneProbe = ZoneProbe()
    """Looks at live answers."""


class FeatureStatus(Model):
    """One feature on one Ingress."""

    name: Word
    """HSTS or HTTPSRedirect."""
    ingress: Word
    """Name of the Ingress."""
    state: State
    """Enforced: seen in live answers. Configured: written, not seen yet. Partial: with a lack that `detail` names.
    Unsupported: this engine cannot, or not on the Ingress as it stands. Failing: written, and live answers say
    otherwise."""
    engine: Word = ""
    """The ingress engine, as its IngressClass tells."""
    detail: Annotated[str, Field(max_length=1024)] = ""
    """Why, for people."""


class HstsStatus(Model):
    """Where a ramp stands."""

    max_age: Seconds = 0
    """The max-age that is sent now."""
    next_at: Instant | None = None
    """When the next step may follow, if it is proven until then."""


class SecurityZoneStatus(StatusModel):
    """A zone as it was found."""

    features: Annotated[tuple[FeatureStatus, ...], Items(64, keys=("name", "ingress"))] = ()
    """Each feature on each Ingress, the first 64."""
    hsts: HstsStatus | None = None
    """Where the ramp stands."""
    measurements: Annotated[tuple[MeasurementStatus, ...], Items(64, keys=("name",))] = ()
    """The last looks at live answers, the first 64, with their validity."""


KIND = Kind(
    resource=SECURITY_ZONE,
    description="The web rules of some Ingresses: strict transport security and the way from http to https.",
    spec=SecurityZoneSpec,
    status=SecurityZoneStatus,
    short_names=("zone",),
    columns=(
        Column("Zone", ".spec.zone", "Which zone of the guideline it is"),
        Column("Mode", ".spec.mode", "Whether it is enforced"),
        READY,
        REASON,
        AGE,
    ),
)
