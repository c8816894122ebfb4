"""What the controller manager says of a validating policy's expressions, checked against the types that they match.

It sees what no sample reaches: a field that does not exist in a branch that is seldom taken. It compiles every new
policy within a second and leaves its findings in `status.typeChecking`; mutating policies are not checked so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from breakwater.kernel.time import from_rfc3339

PATIENCE: Final = timedelta(seconds=10)
"""How long after a policy's creation its check is waited for; without a controller manager it never comes."""
_MOST = 3
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Types:
    """How the check stands.

    Attributes:
        fault: the first findings, for people; empty where there is none.
        due: until when it is waited for; None when it was made, or is waited for no more.
    """

    fault: str = ""
    due: datetime | None = None


UNASKED: Final = Types()


def checked_types(policy: Mapping[str, Any], now: datetime) -> Types:
    """What stands in the status of a ValidatingAdmissionPolicy."""
    metadata, status = policy["metadata"], policy.get("status") or {}
    if "typeChecking" not in status or status.get("observedGeneration") != metadata.get("generation"):
        made = from_rfc3339(metadata.get("creationTimestamp"))
        return Types(due=made + PATIENCE if made is not None and now < made + PATIENCE else None)
    found = status["typeChecking"].get("expressionWarnings") or []
    if not found:
        return Types()
    more = f", and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return Types(f"the types of its expressions do not fit: {'; '.join(map(_told, found[:_MOST]))}{more}")


def _told(finding: Mapping[str, Any]) -> str:
    """On one line: the checker draws a picture of the place below its words."""
    return f"{finding.get('fieldRef', '')}: {' '.join(str(finding.get('warning', '')).split())[:_LONGEST]}"
