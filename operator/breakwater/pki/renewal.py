"""When a certificate is to be renewed."""

from __future__ import annotations

from datetime import datetime, timedelta

from breakwater.pki.errors import invalid

DEFAULT_PERCENTAGE = 67
_SHORTEST = timedelta(seconds=1)


def renew_at(not_before: datetime, not_after: datetime, percentage: int = DEFAULT_PERCENTAGE) -> datetime:
    """The moment at which that percentage of the validity has passed, strictly inside of it.

    It is a share of the real validity, clamping and back-dating included, so it works for short lives too: 67 % of an
    hour leaves 20 minutes to try, of a minute 20 seconds. A leaf clamped to an ending issuer gets ever shorter
    successors, a third of the rest each time, until IssuerExpired: renew the issuer, not the leaf.

    Raises:
        PkiError: InvalidField, `percentage` is not in 1..99 or the validity is under one second.
    """
    if not 1 <= percentage <= 99:
        raise invalid("percentage", "must be from 1 to 99")
    if not_after - not_before < _SHORTEST:
        raise invalid("notAfter", "must be at least one second after notBefore")
    return not_before + (not_after - not_before) * percentage / 100
