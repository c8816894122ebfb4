"""Run one probe: judge where it goes, try it there within its time limit, and put the outcome into words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from breakwater.kernel.measurement import Result
from breakwater.probes import negative
from breakwater.probes.address import Address, AddressContext, Refused, Why, judge
from breakwater.probes.attempt import Attempt
from breakwater.probes.reasons import MeasurementResult, ProbeFailed, Reason, conclude
from breakwater.probes.request import Addresses, Hostname, NegativeProbe, Target, TlsProbe
from breakwater.probes.resolve import resolve
from breakwater.probes.verification import look_closer, verify

# Shares of a probe's time limit, so that a dead name server or address leaves time for the rest.
_RESOLVING, _CONNECTING = 0.5, 0.5
_MOST_ALTERNATIVES = 4

_NO_CONNECTION = {Reason.CONNECT_FAILED, Reason.CONNECT_TIMED_OUT}
SEVERITY = {Result.HOLDS: 0, Result.UNKNOWN: 1, Result.FAILS: 2}


async def measure(request: TlsProbe | NegativeProbe, context: AddressContext, now: datetime) -> MeasurementResult:
    """Measure once. It ends within the probe's time limit and raises only when cancelled.

    Args:
        request: what to measure.
        context: what the operator knows about its surroundings, for the address policy.
        now: aware; tells an expired leaf from an expired chain, and a late reload from a pending one.
    """
    probe = request.probe if isinstance(request, NegativeProbe) else request
    deadline = asyncio.get_running_loop().time() + probe.timeout
    try:
        addresses = await admit(probe.target, context, probe.timeout * _RESOLVING)
    except ProbeFailed as failure:
        return conclude(failure.reason, failure.facts, **failure.values)
    if isinstance(probe.target, Hostname):
        return await _first_that_connects(request, addresses, deadline, now)
    return _counted(await _worst_of_all(request, addresses, deadline, now), probe.target)


async def admit(target: Target, context: AddressContext, seconds: float) -> Sequence[Address]:
    """Judge every address of a target; one refused address refuses them all.

    A mixed answer is how DNS rebinding looks, and which of its addresses a client takes is chance.

    Raises:
        ProbeFailed: Refused, or ResolutionFailed.
    """
    if isinstance(target, Hostname):
        if not context.allow:
            # Nothing that DNS could say would be allowed, and asking alone would already tell the name's owner.
            raise _refusal(Refused(Why.NOT_PROVEN, target.name, "NETWORK"))
        verdicts = [judge(str(ip), context, proven=False) for ip in await resolve(target.name, seconds)]
    else:
        verdicts = [judge(ip, context, proven=True) for ip in target.ips]
    addresses = []
    for verdict in verdicts:
        if isinstance(verdict, Refused):
            raise _refusal(verdict)
        addresses.append(verdict.address)
    return addresses


def _refusal(refused: Refused) -> ProbeFailed:
    facts = {"refusal": refused.why.name}
    return ProbeFailed(Reason.REFUSED, facts, address=refused.spelling, why=refused.why, entry=refused.entry)


async def _first_that_connects(
    request: TlsProbe | NegativeProbe, addresses: Sequence[Address], deadline: float, now: datetime
) -> MeasurementResult:
    """Take the addresses of a name as what they are to its clients: alternatives."""
    alternatives = addresses[:_MOST_ALTERNATIVES]
    share = _CONNECTING / len(alternatives)
    for address in alternatives:
        result = await _try(request, address, share, deadline, now)
        if result.reason not in _NO_CONNECTION:
            break
    return result


async def _worst_of_all(
    request: TlsProbe | NegativeProbe, addresses: Sequence[Address], deadline: float, now: datetime
) -> MeasurementResult:
    """Take the endpoints of a Service as what they are: each serves a part of the traffic, so each must hold."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_try(request, address, _CONNECTING, deadline, now)) for address in addresses]
    results = [task.result() for task in tasks]
    worst = max(results, key=lambda result: SEVERITY[result.result])
    return replace(worst, facts={**worst.facts, "addresses": str(len(results))}) if len(results) > 1 else worst


def _counted(result: MeasurementResult, target: Addresses) -> MeasurementResult:
    """A result that speaks for a part of the addresses says so."""
    tried = len(target.ips)
    if target.total <= tried:
        return result
    message = f"{result.message} {tried} of {target.total} addresses of the endpoint were tried."
    return replace(result, message=message, facts={**result.facts, "addresses": f"{tried} of {target.total}"})


async def _try(
    request: TlsProbe | NegativeProbe, address: Address, share: float, deadline: float, now: datetime
) -> MeasurementResult:
    if isinstance(request, NegativeProbe):
        return await _try_negative(request, address, share, deadline)
    attempt = Attempt(request, address, request.timeout * share)
    try:
        async with asyncio.timeout_at(deadline):
            return await verify(attempt, now)
    except TimeoutError:
        return attempt.conclude(Reason.TIMED_OUT)
    except ProbeFailed as failure:
        found = failure
    try:
        async with asyncio.timeout_at(deadline):
            found = await look_closer(found, attempt, now)
    except TimeoutError:
        pass  # the first finding stands without further facts
    return attempt.explain(found)


async def _try_negative(request: NegativeProbe, address: Address, share: float, deadline: float) -> MeasurementResult:
    attempt = Attempt(request.probe, address, request.probe.timeout * share)
    try:
        async with asyncio.timeout_at(deadline):
            return await negative.CHECKS[request.kind](attempt)
    except TimeoutError:
        return attempt.conclude(Reason.TIMED_OUT)
    except ProbeFailed as failure:
        # What fails here failed before the question was put, or without an answer to it.
        return replace(attempt.explain(failure), result=Result.UNKNOWN)
