"""What is measured of a feature on an Ingress: through the ingress's own address, as a browser would."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from breakwater.kernel.measurement import Measure
from breakwater.kernel.world import Source
from breakwater.probes.reasons import MeasurementResult
from breakwater.probes.surroundings import surroundings
from breakwater.probes.web import MOST_PLACES, Place, Sts, WebProbe, look
from breakwater.zones.ingress import Ingress
from breakwater.zones.wishes import Feature, Hsts, Setting

_LONGEST = 240


def measure_of(
    feature: Feature, setting: Setting, ingress: Ingress, answers: tuple[int, ...], interval: timedelta
) -> Measure | str:
    """The request for a measurement, or why there is nothing to measure."""
    if not ingress.addresses:
        return "the Ingress has no address in its status yet; see whether its engine runs"
    if not ingress.hosts:
        return "the Ingress has no rules, so nothing answers for it"
    places = tuple(Place(_concrete(host), path if path.startswith("/") else "/") for host, path in ingress.hosts)
    probe = WebProbe(
        places=places[:MOST_PLACES],
        addresses=tuple(sorted(ingress.addresses))[:MOST_PLACES],
        sts=Sts(setting.max_age, setting.include_sub_domains, setting.preload) if isinstance(setting, Hsts) else None,
        statuses=() if isinstance(setting, Hsts) else answers or (setting.status_code,),
    )
    return Measure(name_of(feature, ingress.name), probe, probe.digest(), interval)


def name_of(feature: Feature, ingress: str) -> str:
    """The measurement's name, within what status holds."""
    if len(ingress) > _LONGEST:
        ingress = f"{ingress[: _LONGEST - 17]}-{sha256(ingress.encode()).hexdigest()[:16]}"
    return f"{feature}:{ingress}"


def _concrete(host: str) -> str:
    """A wildcard stands for each name below it; any will do."""
    return f"breakwater-probe{host[1:]}" if host.startswith("*.") else host


async def probe(request: WebProbe, source: Source, now: datetime) -> MeasurementResult:  # noqa: ARG001 - as probers are called
    """One measurement; see `probes.web`."""
    return await look(request, surroundings(source))
