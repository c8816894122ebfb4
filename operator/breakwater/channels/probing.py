"""Runs the probes that the plans of channels ask for."""

from __future__ import annotations

from datetime import datetime

from breakwater.kernel.world import Source
from breakwater.probes.measure import measure
from breakwater.probes.reasons import MeasurementResult
from breakwater.probes.request import NegativeProbe, TlsProbe
from breakwater.probes.surroundings import surroundings


async def probe(request: TlsProbe | NegativeProbe, source: Source, now: datetime) -> MeasurementResult:
    """One measurement; see `probes.measure`."""
    return await measure(request, surroundings(source), now)
