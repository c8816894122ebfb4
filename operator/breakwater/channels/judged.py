"""Whether clients would accept a certificate, from its bytes; kept while it stands.

The search for a chain through hundreds of authorities that a tenant brings takes a tenth of a second, and a channel is
planned often. The verdict is a pure function of chain, trust, name and time, and time changes it only where the
validity of one of the certificates begins or ends.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from breakwater.pki import CertificateFacts, PkiError, Usage, parse_bundle, parse_chain, verify
from breakwater.probes.request import digest_of

MOST_KEPT = 4096
_EVER, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Judgement:
    fault: PkiError | None
    since: datetime
    until: datetime


# By digests: the bytes of a bundle can be a megabyte, and no tenant may fill the operator's memory with them.
_kept: dict[tuple[str, str, str], _Judgement] = {}


def fault_of(chain: bytes, trust: bytes, name: str, now: datetime) -> PkiError | None:
    """Why clients that trust `trust` would not accept the chain of a server called `name`; None where they would."""
    key = digest_of(chain), digest_of(trust), name
    held = _kept.get(key)
    if held is None or not held.since <= now < held.until:
        _kept.pop(key, None)
        held = _kept[key] = _judge(chain, trust, name, now)
        if len(_kept) > MOST_KEPT:
            del _kept[next(iter(_kept))]
    return held.fault


def _judge(chain: bytes, trust: bytes, name: str, now: datetime) -> _Judgement:
    try:
        verify(chain, trust, server_name=name, usage=Usage.SERVER, now=now)
        fault = None
    except PkiError as error:
        fault = error.with_traceback(None)
    try:
        turns = sorted({_EVER, _NEVER, *_turns(parse_chain(chain)), *_turns_of_bundle(trust)})
    except PkiError:
        return _Judgement(fault, now, now)  # nobody can tell for how long: it is judged again each time
    after = bisect_right(turns, now)
    return _Judgement(fault, turns[after - 1], turns[after])


@lru_cache(maxsize=16)
def _turns_of_bundle(trust: bytes) -> frozenset[datetime]:
    return _turns(parse_bundle(trust))


def _turns(certificates: Iterable[CertificateFacts]) -> frozenset[datetime]:
    """When verdicts can change: a certificate is valid at both of its ends, so it ends right after the second."""
    ends = timedelta(microseconds=1)
    return frozenset(turn for each in certificates for turn in (each.not_before, each.not_after + ends))
