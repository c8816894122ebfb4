"""What an error of the API server means for the action that met it, and what the user can do."""

from __future__ import annotations

from breakwater.cluster.client import ApiError
from breakwater.cluster.writes import conflicting_managers
from breakwater.kernel.plan import Ending, Failure
from breakwater.kernel.references import Ref

LONGEST = 400


def failure_of(error: ApiError, target: Ref) -> Failure:
    """The failure of one write. Messages never hold a Secret's content: of invalid ones only field names are told."""
    if error.status == 0:
        return Failure("Unreachable", f"{target}: the API server did not answer; trying again")
    if error.status == 409:
        return _conflict(error, target)
    if error.status == 429:
        return Failure(
            "TooManyRequests", f"{target}: the API server asked to wait", Ending.AT, error.retry_after or 1.0
        )
    if error.status in (400, 403, 422) and "denied" in error.message:
        # A policy, or a webhook, which may answer with any code.
        message = f"{target}: an admission policy refused it: {error.message[:LONGEST]}; adapt that policy"
        return Failure("AdmissionRefused", message)
    if error.status == 403:
        return _forbidden(error, target)
    if error.status == 404:
        return Failure("NotFound", f"{target}: its namespace, or its type, does not exist (any more)")
    if error.status in (400, 413, 422):
        fields = ", ".join(sorted({str(cause.get("field", "")) for cause in error.causes})) or error.reason
        return Failure("Invalid", f"{target}: the API server refused the object: {fields}")
    return Failure("ServerError", f"{target}: the API server answered {error.status}; trying again")


def _conflict(error: ApiError, target: Ref) -> Failure:
    managers = conflicting_managers(error)
    if managers:
        named = "; ".join(f'{field} is set by "{manager}"' for manager, field in managers)
        return Failure(
            "FieldConflict", f"{target}: {named}; remove it there, or set the wanted value there", Ending.STALLED
        )
    return Failure("Conflict", f"{target}: it changed meanwhile; planning again")


def _forbidden(error: ApiError, target: Ref) -> Failure:
    message = error.message[:LONGEST]
    if any(cause.get("reason") == "NamespaceTerminating" for cause in error.causes):
        return Failure("NamespaceTerminating", f"{target}: the namespace is being deleted")
    if "exceeded quota" in message:
        return Failure("QuotaExceeded", f"{target}: {message}; raise the quota or remove what is not needed")
    return Failure(
        "Forbidden", f"{target}: the operator may not write this: {message}; grant its service account that right"
    )
