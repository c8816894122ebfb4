from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from breakwater.certificates.authority import BROUGHT_SIGNER, Authority, Signer
from breakwater.certificates.following import Followed
from breakwater.certificates.keypair import KEY_PAIR, KeyPairView
from breakwater.certificates.kind import CertificateAuthoritySpec
from breakwater.certificates.rotation import RotationScheduleSpec
from breakwater.channels.leaf import Wanted, certificate_status, due_at, keys_so_far, renewal_of
from breakwater.pki import Algorithm, KeyPair, LeafRequest, RootRequest, Usage, issue_leaf, issue_root, parse_chain
from breakwater.pki.recipes import CERTIFICATE, PRIVATE_KEY, TRUST
from tests.unit.pki.forge import Made, forge, pem
from tests.unit.scenery import DAY, NOW, foreign_root
from tests.unit.worlds import secret_manifest

MINUTE = timedelta(minutes=1)
REQUEST = LeafRequest(
    usages=frozenset({Usage.SERVER}), algorithm=Algorithm.ECDSA_P256, lifetime=90 * DAY, dns_names=("db.bpm.svc",)
)
SPEC = CertificateAuthoritySpec.read({"source": {"selfManaged": {}}})
ROOT = issue_root(RootRequest(common_name="root", algorithm=Algorithm.ECDSA_P256, lifetime=3650 * DAY), NOW)


def _view(pair: KeyPair, **changed: bytes) -> KeyPairView:
    data = {CERTIFICATE: pair.certificate_pem, PRIVATE_KEY: pair.key.open(), TRUST: ROOT.certificate_pem}
    return KEY_PAIR.of(
        secret_manifest("bpm", "db-tls", data | {key.replace("_", "."): value for key, value in changed.items()})
    )


def _authority(pair: KeyPair, **changed: bytes) -> Authority:
    """As it is read from a Secret with this chain and key."""
    data = {CERTIFICATE: pair.certificate_pem, PRIVATE_KEY: pair.key.open()}
    signer = BROUGHT_SIGNER.of(
        secret_manifest("system", "ca", data | {key.replace("_", "."): value for key, value in changed.items()})
    )
    assert isinstance(signer, Signer)
    return Authority("platform", SPEC, signer)


EVEN = Followed(RotationScheduleSpec.read({"jitter": 0}), "bpm/even")
WANTED = Wanted(REQUEST, _authority(ROOT), EVEN, "uid/Server")
LEAF = issue_leaf(REQUEST, ROOT, NOW)


def _asked(**changes: object) -> Wanted:
    return replace(WANTED, request=replace(REQUEST, **changes))  # type: ignore[arg-type]  # a table of fields


def _issued(now: datetime = NOW, root: KeyPair = ROOT, **changes: object) -> KeyPairView:
    return _view(issue_leaf(replace(REQUEST, **changes), root, now))  # type: ignore[arg-type]  # a table of fields


OTHER_KEY = issue_leaf(REQUEST, ROOT, NOW).key.open()
SHORT_ROOT = issue_root(RootRequest(common_name="short", algorithm=Algorithm.ECDSA_P256, lifetime=30 * DAY), NOW)
ENDS_WITH_ROOT = replace(WANTED, authority=_authority(SHORT_ROOT))
HELD_BACK = replace(WANTED, followed=Followed(None))
Case = tuple[KeyPairView, Wanted, datetime, str | None, bool]

CASES: dict[str, Case] = {
    "as declared: it stays": (_view(LEAF), WANTED, NOW, None, False),
    "just before two thirds of its life: it stays": (_view(LEAF), WANTED, NOW + 59 * DAY, None, False),
    "after two thirds of its life": (_view(LEAF), WANTED, NOW + 61 * DAY, "RenewalDue", False),
    "expired": (_view(LEAF), WANTED, NOW + 100 * DAY, "CertificateExpired", False),
    "it ends with its authority: a new one would end there too": (
        _issued(root=SHORT_ROOT), ENDS_WITH_ROOT, NOW + 29 * DAY, None, False,
    ),
    "nobody can tell its schedule: not for its age": (_view(LEAF), HELD_BACK, NOW + 89 * DAY, None, False),
    "nobody can tell its schedule, and it is damaged": (
        _view(LEAF, tls_key=OTHER_KEY), HELD_BACK, NOW, "KeyPairBroken", True,
    ),
    "nobody can tell its schedule, and another authority signed it": (
        _issued(root=foreign_root()), HELD_BACK, NOW, "AuthorityChanged", False,
    ),
    "the clock was set back: it begins later": (_view(LEAF), WANTED, NOW - 6 * MINUTE, "NotYetValid", False),
    "the clock was set back by less than the back-dating": (_view(LEAF), WANTED, NOW - 5 * MINUTE, None, False),
    "the key belongs to another certificate": (_view(LEAF, tls_key=OTHER_KEY), WANTED, NOW, "KeyPairBroken", True),
    "the key is gone": (_view(LEAF, tls_key=b""), WANTED, NOW, "KeyPairBroken", True),
    "the certificate is gone": (_view(LEAF, tls_crt=b""), WANTED, NOW, "KeyPairBroken", True),
    "the certificate is nonsense": (_view(LEAF, tls_crt=b"nonsense"), WANTED, NOW, "KeyPairBroken", True),
    "another authority signed it": (_issued(root=foreign_root()), WANTED, NOW, "AuthorityChanged", False),
    "a name more is declared": (
        _view(LEAF), _asked(dns_names=("db.bpm.svc", "db2.bpm.svc")), NOW, "NamesChanged", False,
    ),
    "a name is declared no more": (
        _issued(dns_names=("db.bpm.svc", "db2.bpm.svc")), WANTED, NOW, "NamesChanged", False,
    ),
    "an address is declared": (_view(LEAF), _asked(ip_addresses=("192.0.2.1",)), NOW, "NamesChanged", False),
    "the same names in another order: it stays": (
        _issued(dns_names=("db.bpm.svc", "a.bpm.svc")), _asked(dns_names=("db.bpm.svc", "a.bpm.svc")), NOW, None, False,
    ),
    "it is for clients": (
        _issued(usages=frozenset({Usage.CLIENT}), common_name="db.bpm.svc"), WANTED, NOW, "UsageChanged", False,
    ),
    "damage counts before age": (_view(LEAF, tls_key=OTHER_KEY), WANTED, NOW + 61 * DAY, "KeyPairBroken", True),
}  # fmt: skip


@pytest.mark.parametrize("sentence", CASES)
def test_why_a_certificate_is_issued_again(sentence: str) -> None:
    pair, wanted, now, reason, damage = CASES[sentence]
    found = renewal_of(pair, wanted, now)
    assert (found.reason if found else None) == reason
    assert (found.damage if found else False) is damage


def _chained(*made: Made) -> KeyPair:
    """The lowest one's key, with its chain."""
    return KeyPair(pem(*(each.certificate for each in made)), made[0].pair.key)


TOP = forge("top")
MIDDLE = forge("middle", TOP)
NAMELESS = forge("nameless", key_id=False)
SHAPES = {
    "a root": ROOT,
    "a root without a key identifier": NAMELESS.pair,
    "an intermediate": MIDDLE.pair,
    "an intermediate without a key identifier": forge("low", TOP, key_id=False).pair,
    "an intermediate with its root": _chained(MIDDLE, TOP),
    "an intermediate with a root without a key identifier": _chained(forge("low", NAMELESS), NAMELESS),
    "an intermediate below another": _chained(forge("low", MIDDLE), MIDDLE, TOP),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_an_authority_of_any_shape_has_issued_stays_as_it_is(shape: str) -> None:
    wanted, pair = replace(WANTED, authority=_authority(SHAPES[shape])), _issued(root=SHAPES[shape])
    assert renewal_of(pair, wanted, NOW) is None
    assert wanted.chain(pair) == pair.certificate
    assert all(facts.subject != facts.issuer for facts in pair.chain), "no root is sent"


OTHER_TOP = forge("other top")
LINEAGES: dict[str, tuple[Made, str | None]] = {
    "signed anew by its root": (forge("middle", TOP, key=MIDDLE.key), None),
    "signed by another root": (forge("middle", OTHER_TOP, key=MIDDLE.key), None),
    "under another name": (forge("renamed", TOP, key=MIDDLE.key), "AuthorityChanged"),
    "with another key": (forge("middle", TOP), "AuthorityChanged"),
}


@pytest.mark.parametrize("sentence", LINEAGES)
def test_an_intermediate_that_changed_above_its_key_goes_into_the_chain_of_the_leaf_that_stays(sentence: str) -> None:
    middle, reason = LINEAGES[sentence]
    pair, wanted = _issued(root=MIDDLE.pair), replace(WANTED, authority=_authority(middle.pair))
    found = renewal_of(pair, wanted, NOW)
    assert (found.reason if found else None) == reason
    own, *above = parse_chain(wanted.chain(pair))
    assert own == pair.facts
    assert above == list(parse_chain(middle.pair.certificate_pem))


def test_a_leaf_that_is_cut_to_a_root_above_its_issuer_is_not_renewed_for_nothing() -> None:
    ending = forge("ending", period=(NOW - DAY, NOW + 3 * DAY))
    issuer = _chained(forge("middle", ending, period=(NOW - DAY, NOW + 300 * DAY)), ending)
    pair, wanted = _issued(root=issuer), replace(WANTED, authority=_authority(issuer))
    assert pair.facts is not None
    assert pair.facts.not_after == NOW + 3 * DAY
    assert due_at(pair.facts, wanted) is None
    assert renewal_of(pair, wanted, NOW + 3 * DAY - timedelta(seconds=30)) is None


def test_the_due_time_is_two_thirds_of_the_life_and_none_where_the_authority_ends_first() -> None:
    facts = _view(LEAF).facts
    assert facts is not None
    due = due_at(facts, WANTED)
    assert due is not None
    assert abs(due - (NOW + 60.3 * DAY)) < timedelta(minutes=1)
    clamped = _issued(root=SHORT_ROOT).facts
    assert clamped is not None
    assert due_at(clamped, ENDS_WITH_ROOT) is None


def test_status_names_the_schedule_and_what_of_it_does_not_come_round() -> None:
    shown = certificate_status(Usage.SERVER, _view(LEAF), "db-tls", WANTED)
    assert (shown["schedule"], shown["renewAt"]) == ("bpm/even", "2026-07-31T19:12:00Z")
    assert not {"outsideWindows", "note"} & shown.keys()
    rare = RotationScheduleSpec.read({"windows": [{"cron": "0 0 1 1 *", "duration": "1h"}]})
    shown = certificate_status(Usage.SERVER, _view(LEAF), "db-tls", replace(WANTED, followed=Followed(rare)))
    assert shown["outsideWindows"] is True
    assert shown["note"] == "no window opens in time before the certificate ends"
    assert "schedule" not in shown
    shown = certificate_status(Usage.SERVER, _view(LEAF), "db-tls", HELD_BACK)
    assert not {"renewAt", "schedule", "outsideWindows"} & shown.keys()


COUNTS = {
    "nothing is known": (None, {}, 0),
    "the Secret knows": (3, {}, 3),
    "status knows, the annotation was removed": (0, {"certificates": [{"use": "Server", "generation": 4}]}, 4),
    "the Secret knows more than a restored status": (5, {"certificates": [{"use": "Server", "generation": 2}]}, 5),
    "another use does not count": (1, {"certificates": [{"use": "Client", "generation": 9}]}, 1),
    "status was edited into nonsense": (2, {"certificates": ["x", {"use": "Server", "generation": "9"}]}, 2),
}


@pytest.mark.parametrize("sentence", COUNTS)
def test_how_many_keys_there_have_been(sentence: str) -> None:
    in_secret, status, expected = COUNTS[sentence]
    pair = replace(_view(LEAF), generation=in_secret) if in_secret is not None else None
    assert keys_so_far(Usage.SERVER, pair, status) == expected
