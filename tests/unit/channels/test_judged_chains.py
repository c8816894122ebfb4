from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from breakwater.channels import judged
from breakwater.pki import Algorithm, LeafRequest, Reason, RootRequest, Usage, build_bundle, issue_leaf, issue_root
from tests.unit.scenery import DAY, NOW, foreign_root

ROOT = issue_root(RootRequest(common_name="root", algorithm=Algorithm.ECDSA_P256, lifetime=20 * DAY), NOW)
LEAF = issue_leaf(
    LeafRequest(
        usages=frozenset({Usage.SERVER}), algorithm=Algorithm.ECDSA_P256, lifetime=9 * DAY, dns_names=("db.bpm.svc",)
    ),
    ROOT,
    NOW,
)
TRUST = build_bundle([foreign_root().certificate_pem, ROOT.certificate_pem])
MOMENT = timedelta(microseconds=1)

CASES: dict[str, tuple[datetime, Reason | None]] = {
    "before it begins": (NOW - DAY, Reason.CERTIFICATE_NOT_YET_VALID),
    "when it is issued": (NOW, None),
    "at its very end": (NOW + 9 * DAY, None),
    "right after its end": (NOW + 9 * DAY + MOMENT, Reason.CERTIFICATE_EXPIRED),
}


def _fault(now: datetime, name: str = "db.bpm.svc", trust: bytes = TRUST) -> Reason | None:
    fault = judged.fault_of(LEAF.certificate_pem, trust, name, now)
    return fault.reason if fault else None


@pytest.mark.parametrize("order", [tuple(CASES), tuple(reversed(CASES))])
def test_a_kept_verdict_ends_where_the_validity_of_a_certificate_begins_or_ends(order: tuple[str, ...]) -> None:
    for sentence in order:
        now, expected = CASES[sentence]
        assert (_fault(now), sentence) == (expected, sentence)


def test_a_verdict_is_kept_for_its_own_name_and_trust_only() -> None:
    assert _fault(NOW) is None
    assert _fault(NOW, name="other.bpm.svc") is Reason.NAME_MISMATCH
    assert _fault(NOW, trust=foreign_root().certificate_pem) is Reason.UNKNOWN_ISSUER


def test_a_chain_is_searched_once_while_the_verdict_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _fault(NOW) is None
    monkeypatch.setattr(judged, "verify", None)
    assert _fault(NOW + DAY) is None


def test_verdicts_kept_do_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged, "MOST_KEPT", len(judged._kept))
    for number in range(3):
        _fault(NOW, name=f"db{number}.bpm.svc")
    assert len(judged._kept) <= judged.MOST_KEPT
