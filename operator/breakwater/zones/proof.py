"""What is measured of a feature on an Ingress: through the ingress's own address, as a browser would."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from breakwater.kernel.measurement import Measure
from breakwater.kernel.world import Source
from breakwater.probes.reasons import MeasurementResult
from breakwater.probes.request import is_dns_name, is_ip
from breakwater.probes.surroundings import surroundings
from breakwater.probes.web import MOST_PLACES, Place, Sts, WebProbe, look
from breakwater.zones.ingress import Ingress
from breakwater.zones.wishes import Feature

_LONGEST = 240


def measure_of(
    feature: Feature, expected: Sts | tuple[int, ...], ingress: Ingress, interval: timedelta
) -> Measure | str:
    """The request for a measurement, or why there is nothing to measure.

    Args:
        feature: what is measured.
        expected: the header, or the status codes of a right redirect.
        ingress: where.
        interval: from one measurement to the next.
    """
    if not ingress.addresses:
        return "the Ingress has no address in its status yet; see whether its engine runs"
    if not ingress.hosts:
        return "the Ingress has no rules, so nothing answers for it"
    places = tuple(Place(_concrete(host), path if path.startswith("/") else "/") for host, path in ingress.hosts)
    asked = tuple(place for place in places if not place.host or is_dns_name(place.host))
    addresses = tuple(sorted(name for name in ingress.addresses if is_dns_name(name) or is_ip(name)))
    if not asked or not addresses:
        return "neither its hosts nor its addresses are names that can be asked for; shorten their labels to 63 letters"
    probe = WebProbe(
        places=asked[:MOST_PLACES],
        addresses=addresses[:MOST_PLACES],
        sts=expected if isinstance(expected, Sts) else None,
        statuses=() if isinstance(expected, Sts) else expected,
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
