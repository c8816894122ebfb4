"""Where an authority's trust shall be, where it is, and what stands in its way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from breakwater.certificates import trust
from breakwater.certificates.authority import Signer
from breakwater.certificates.kind import CertificateAuthoritySpec
from breakwater.kernel.condition import Condition, false, true, unknown
from breakwater.kernel.ownership import MARK
from breakwater.kernel.plan import Failure
from breakwater.kernel.reading import Present, Projection, Unknown
from breakwater.kernel.references import NAMESPACE, Subject
from breakwater.kernel.world import World

MOST_FAILING_SHOWN = 32
ALIVE: Projection[bool] = Projection("alive", lambda manifest: "deletionTimestamp" not in manifest["metadata"])


@dataclass(frozen=True, slots=True)
class Placing:
    """The answer.

    Attributes:
        condition: whether every bundle is in its place.
        accepted: why the cluster refuses a place; None when it does not.
        mentions: the subjects that place the bundles.
        status: `status.trust`; None where no trust is declared.
    """

    condition: Condition
    accepted: Condition | None = None
    mentions: frozenset[Subject] = frozenset()
    status: Mapping[str, Any] | None = None


def placing(name: str, spec: CertificateAuthoritySpec, signer: Signer | None, world: World) -> Placing:
    """Compare what the authority's trust selects with where its present bundle lies."""
    if spec.trust is None or signer is None:
        return Placing(true("Trusted", "NothingSelected"))
    mentions = frozenset(trust.subject_of(name, place) for place in _places(name, spec, world))
    placed = world.indexed(trust.PLACED, name)
    if isinstance(placed, Unknown):
        return Placing(unknown("Trusted", placed.reason, placed.message), mentions=mentions)
    where = {ref for ref, found in placed.value if found == signer.digest} if isinstance(placed, Present) else set()
    behind = sorted(mention for mention in mentions if trust.target_of(mention) not in where)
    failing = _failing(behind, world)
    status: dict[str, Any] = {
        "configMap": trust.target_of(trust.subject_of(name, "any")).name,
        "namespaces": sum(1 for mention in mentions.difference(behind) if mention.namespace),
        "failing": [
            {"namespace": subject.namespace, "reason": failure.reason, "message": failure.message}
            for subject, failure in failing.items()
        ],
    }
    whole = trust.subject_of(name, "")
    if whole in mentions:
        status["clusterTrustBundle"] = trust.target_of(whole).name
    return Placing(_condition(behind, failing.values()), _refusal(failing.values()), mentions, status)


def _places(name: str, spec: CertificateAuthoritySpec, world: World) -> list[str]:
    """Namespaces, and the empty name for the ClusterTrustBundle where the API server serves that kind."""
    places: list[str] = []
    if spec.trust and spec.trust.namespace_selector is not None:
        namespaces = world.select(NAMESPACE, ALIVE, selector=spec.trust.namespace_selector)
        places += [ref.name for ref, alive in namespaces.value if alive] if isinstance(namespaces, Present) else []
    if spec.trust and spec.trust.cluster_trust_bundle:
        whole = world.metadata(trust.target_of(trust.subject_of(name, "")), MARK)
        places += [] if isinstance(whole, Unknown) and whole.reason == "NotServed" else [""]
    return places


def _failing(behind: list[Subject], world: World) -> dict[Subject, Failure]:
    found = {subject: world.derived(subject) for subject in behind[:MOST_FAILING_SHOWN]}
    return {subject: reading.value for subject, reading in found.items() if isinstance(reading, Present)}


def _condition(behind: list[Subject], failures: Iterable[Failure]) -> Condition:
    if not behind:
        return true("Trusted", "TrustPlaced")
    for failure in failures:
        return false("Trusted", failure.reason, failure.message)
    shown = ", ".join(str(trust.target_of(subject)) for subject in behind[:5]) + (", ..." if len(behind) > 5 else "")
    return false("Trusted", "TrustPending", f"the trust bundle is not in {len(behind)} places yet: {shown}")


def _refusal(failures: Iterable[Failure]) -> Condition | None:
    taken = (failure for failure in failures if failure.reason == trust.NAME_TAKEN)
    return next((false("Accepted", failure.reason, failure.message) for failure in taken), None)
