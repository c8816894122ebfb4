"""Where an authority's trust shall be, where it is, and what stands in its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from breakwater.certificates import trust
from breakwater.certificates.authority import Signer
from breakwater.certificates.kind import CertificateAuthoritySpec
from breakwater.kernel.condition import Condition, false, true, unknown
from breakwater.kernel.ownership import MARK
from breakwater.kernel.plan import Failure
from breakwater.kernel.reading import Present, Projection, Unknown
from breakwater.kernel.references import NAMESPACE, Subject
from breakwater.kernel.settings import Mode
from breakwater.kernel.world import World

MOST_FAILING_SHOWN = 32
ALIVE: Projection[bool] = Projection("alive", lambda manifest: "deletionTimestamp" not in manifest["metadata"])


@dataclass(frozen=True, slots=True)
class Placing:
    """The answer.

    Attributes:
        ready: whether nothing is left to do for us; what single namespaces stand in the way of does not count.
        placed: whether the bundle lies in every place that was selected; None where none was.
        accepted: why the cluster refuses the ClusterTrustBundle; None when it does not.
        mentions: the subjects that place the bundles.
        status: `status.trust`; None where no trust is declared.
    """

    ready: Condition
    placed: Condition | None = None
    accepted: Condition | None = None
    mentions: Mapping[Subject, None] = field(default_factory=dict)
    status: Mapping[str, Any] | None = None


def placing(name: str, spec: CertificateAuthoritySpec, signer: Signer | None, world: World) -> Placing:
    """Compare what the authority's trust selects with where its present bundle lies."""
    if spec.trust is None or signer is None:
        return Placing(true("Trusted", "NothingSelected"))
    places, gap = _places(name, spec, world)
    mentions = dict.fromkeys(trust.subject_of(name, place) for place in places)
    lying = world.indexed(trust.PLACED, name)
    gap = gap or (lying if isinstance(lying, Unknown) else None)
    if gap is not None:
        nobody_knows = unknown("TrustPlaced", gap.reason, gap.message)
        return Placing(unknown("Trusted", gap.reason, gap.message), nobody_knows, mentions=mentions)
    where = {ref for ref, found in lying.value if found == signer.digest} if isinstance(lying, Present) else set()
    behind = sorted(mention for mention in mentions if trust.target_of(mention) not in where)
    failing = _failing(behind, world)
    status: dict[str, Any] = {
        "configMap": trust.target_of(trust.subject_of(name, "any")).name,
        "namespaces": sum(1 for mention in mentions.keys() - behind if mention.namespace),
        "failing": [
            {"namespace": subject.namespace, "reason": failure.reason, "message": failure.message}
            for subject, failure in failing.items()
        ],
    }
    whole = trust.subject_of(name, "")
    if whole in mentions and whole not in behind:
        status["clusterTrustBundle"] = trust.target_of(whole).name
    return Placing(
        _ready(spec, behind, failing), _placed(behind, failing), _refusal(failing.get(whole)), mentions, status
    )


def _places(name: str, spec: CertificateAuthoritySpec, world: World) -> tuple[list[str], Unknown | None]:
    """Namespaces, and the empty name for the ClusterTrustBundle where the API server serves that kind."""
    places: list[str] = []
    gap: Unknown | None = None
    if spec.trust and spec.trust.namespace_selector is not None:
        namespaces = world.select(NAMESPACE, ALIVE, selector=spec.trust.namespace_selector)
        gap = namespaces if isinstance(namespaces, Unknown) else None
        places += [ref.name for ref, alive in namespaces.value if alive] if isinstance(namespaces, Present) else []
    if spec.trust and spec.trust.cluster_trust_bundle:
        whole = world.metadata(trust.target_of(trust.subject_of(name, "")), MARK)
        places += [] if isinstance(whole, Unknown) and whole.reason == "NotServed" else [""]
    return places, gap


def _failing(behind: list[Subject], world: World) -> dict[Subject, Failure]:
    found = {subject: world.derived(subject) for subject in behind[:MOST_FAILING_SHOWN]}
    return {subject: reading.value for subject, reading in found.items() if isinstance(reading, Present)}


def _ready(spec: CertificateAuthoritySpec, behind: list[Subject], failing: Mapping[Subject, Failure]) -> Condition:
    """A namespace belongs to others: what they do in theirs decides on TrustPlaced, not on the authority's readiness.

    What its own declaration keeps back, and the ClusterTrustBundle, are nobody else's doing.
    """
    own = spec.suspend or spec.mode is Mode.OBSERVE
    counted = [subject for subject in behind if own or not subject.namespace or subject not in failing]
    if not counted:
        return true("Trusted", "TrustPlaced")
    first = next((failing[subject] for subject in counted if subject in failing), None)
    return false("Trusted", first.reason, first.message) if first else _pending("Trusted", counted)


def _refusal(failure: Failure | None) -> Condition | None:
    taken = failure is not None and failure.reason == trust.NAME_TAKEN
    return false("Accepted", failure.reason, failure.message) if failure and taken else None


def _placed(behind: list[Subject], failing: Mapping[Subject, Failure]) -> Condition:
    if not behind:
        return true("TrustPlaced", "TrustPlaced", "every selected place holds the trust bundle")
    first = next(iter(failing.values()), None)
    return false("TrustPlaced", first.reason, first.message) if first else _pending("TrustPlaced", behind)


def _pending(type_: str, behind: list[Subject]) -> Condition:
    shown = ", ".join(str(trust.target_of(subject)) for subject in behind[:5]) + (", ..." if len(behind) > 5 else "")
    return false(type_, "TrustPending", f"the trust bundle is not in {len(behind)} places yet: {shown}")
