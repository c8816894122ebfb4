"""One Ingress, those who want something of it, and what was made for it: the scene of a Route's tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from breakwater.kernel.ownership import Mark
from breakwater.kernel.plan import ApplyFields, ApplyObject, Plan
from breakwater.kernel.pruning import Permit
from breakwater.kernel.reading import Present
from breakwater.kernel.references import INGRESS, MIDDLEWARE, Ref, Subject
from breakwater.zones.dialects.dialect import State
from breakwater.zones.dialects.traefik import LINKS
from breakwater.zones.ingress import FIELD_MANAGER, ZONES, reduced, route_of
from breakwater.zones.record import LEFT
from breakwater.zones.route import Standing, plan
from breakwater.zones.wishes import Feature, Hsts, Redirect, Setting, Wish
from tests.unit.worlds import MemoryWorld

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROUTE = route_of("bpm", "suite")
REF = Ref(INGRESS, "bpm", "suite")
HSTS, REDIRECT = Hsts(600), Redirect(308)
ZONE = Subject("SecurityZone", "bpm", "zone")
CREATED, LATER = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
PERMITTED = Permit(granted=True, reason="DeclarationGone", definition="definition")
REFUSED = Permit(granted=False, reason="MassDeletion", message="30 declarations vanished")
NAMES = {Feature.HSTS: "breakwater-suite-hsts", Feature.HTTPS_REDIRECT: "breakwater-suite-https"}
COMPANION = Ref(MIDDLEWARE, "bpm", NAMES[Feature.HSTS])
HSTS_LINK, REDIRECT_LINK = (f"bpm-{NAMES[each]}@kubernetescrd" for each in (Feature.HSTS, Feature.HTTPS_REDIRECT))


def ingress(
    annotations: Mapping[str, str] | None = None, *, by: str = FIELD_MANAGER, name: str = "suite", **spec: Any
) -> dict[str, Any]:
    """An Ingress of Traefik with these annotations, all written by one manager; ours say for which zone."""
    if by == FIELD_MANAGER and annotations and ZONES not in annotations:
        annotations = {**annotations, ZONES: record(annotations)}
    fields = {"f:metadata": {"f:annotations": {f"f:{key}": {} for key in annotations or {}}}}
    metadata = {"name": name, "namespace": "bpm", "uid": name, "annotations": dict(annotations or {})}
    managed = [{"manager": by, "operation": "Apply", "fieldsV1": fields}] if annotations else []
    rules = [{"host": "suite.example.com", "http": {"paths": [{"path": "/"}]}}]
    whole = {
        "metadata": metadata | {"managedFields": managed},
        "spec": {"ingressClassName": "web", "rules": rules, "tls": [{}]} | spec,
    }
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", **reduced(whole)}


def record(annotations: Mapping[str, str]) -> str:
    """What is written beside these annotations for `zone`."""
    marks = {Feature.HSTS: ("-hsts@", "nginx.org/hsts"), Feature.HTTPS_REDIRECT: ("-https@", "nginx.org/ssl-redirect")}
    text = str(annotations)
    return ",".join(f"{each}=zone@{CREATED}" for each, found in marks.items() if any(mark in text for mark in found))


def ingress_class(controller: str = "traefik.io/ingress-controller") -> dict[str, Any]:
    spec = {"controller": controller}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "web"}, "spec": spec}


def wish(*settings: Setting, zone: str = "zone", created: str = "2026-01-01T00:00:00Z", enforced: bool = True) -> Wish:
    names = {Hsts: Feature.HSTS, Redirect: Feature.HTTPS_REDIRECT}
    return Wish(zone, created, enforced=enforced, settings={names[type(each)]: each for each in settings})


OF_ENGINE = {
    "traefik.io/ingress-controller": {LINKS: HSTS_LINK},
    "nginx.org/ingress-controller": {"nginx.org/hsts": "true"},
    "new.dev/x": {LINKS: HSTS_LINK},
}


class House:
    """One Ingress, those who want something of it, and what was made for it."""

    def __init__(self, *wishes: Wish, annotations: Mapping[str, str] | None = None, **change: Any) -> None:
        controller = change.pop("controller", "traefik.io/ingress-controller")
        self.world = MemoryWorld(ingress_class(controller))
        self.world.put(ingress(annotations, **change), by="user")
        self.world.state(("prune", ZONE), PERMITTED)
        self.ask(*wishes)

    def ask(self, *wishes: Wish) -> None:
        self.world.state(("asked", ROUTE), {Subject("SecurityZone", "bpm", item.zone): item for item in wishes})

    def annotate(self, annotations: Mapping[str, str], *, by: str = FIELD_MANAGER) -> None:
        self.world.put(ingress(annotations, by=by), by="user")

    def plan(self, now: datetime = NOW) -> Plan:
        return self.world.plan(ROUTE, plan, now)

    def look(self, now: datetime = NOW) -> Plan:
        """Plan, and have that known, as the engine has."""
        done = self.plan(now)
        self.world.state(("derived", ROUTE), done.value)
        return done

    def left(self) -> list[tuple[Ref, Mark]]:
        """What the prune gate sees of the zone."""
        found = self.world.indexed(LEFT, ZONE)
        assert isinstance(found, Present)
        return list(found.value.items())

    def make(self, now: datetime = NOW, created: datetime | None = None) -> None:
        """Have the companions made, as if that was done, and seen, at `created`."""
        for action in self.plan(now).actions:
            if isinstance(action, ApplyObject):
                self.world.act(action, now)
        self.look(created or now)

    def annotation(self, now: datetime = NOW) -> Mapping[str, str] | None:
        """What would be written on the Ingress, but for who asked; None where nothing would."""
        found = [action for action in self.plan(now).actions if isinstance(action, ApplyFields)]
        return {key: value for key, value in annotations_of(found[0]).items() if key != ZONES} if found else None

    def recorded(self, now: datetime = NOW) -> str | None:
        """Who is said to have asked for it."""
        (action,) = (action for action in self.plan(now).actions if isinstance(action, ApplyFields))
        return annotations_of(action).get(ZONES)

    def said(self, feature: Feature = Feature.HSTS, now: datetime = NOW) -> tuple[State, str]:
        standing = self.plan(now).value
        assert isinstance(standing, Standing)
        said = standing.outcomes[feature].said
        return said.state, said.detail


def annotations_of(action: ApplyFields) -> Mapping[str, str]:
    found: Mapping[str, str] = action.manifest["metadata"]["annotations"]
    return found
