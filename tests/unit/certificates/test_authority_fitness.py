"""An authority is ready exactly when what it signs is accepted, and channels use it exactly when its own plan does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from breakwater.certificates import authority
from breakwater.certificates.plan import plan as plan_authority
from breakwater.kernel.plan import Plan
from breakwater.kernel.references import SECRET
from breakwater.pki import KeyPair, build_bundle
from tests.unit.pki.forge import Made, forge, pem
from tests.unit.scenery import (
    AUTHORITY,
    AUTHORITY_REF,
    DAY,
    NOW,
    ROOT,
    SERVER,
    SYSTEM,
    foreign_root,
    settle,
    world,
)
from tests.unit.scenery import plan as plan_channel
from tests.unit.worlds import MemoryWorld, condition, marked, message, secret_manifest

SECOND = timedelta(seconds=1)
BROUGHT = {"source": {"secretRef": {"name": "brought"}}}

OLD = forge("old", period=(NOW - 9 * DAY, NOW - DAY))
EARLY = forge("early", period=(NOW + DAY, NOW + 9 * DAY))
TOP = forge("top")
MIDDLE = forge("middle", TOP)
LASTING = forge("lasting", TOP, period=(NOW - DAY, NOW + 300 * DAY))
WEAK = forge("weak", key=rsa.generate_private_key(65537, 1024))  # noqa: S505 - the weak one
MUTE = forge("mute", sign_certs=False)
TIGHT = forge("tight", path_length=0)
CURSORY = forge("cursory", TOP, weak_hash=True)

Brought = tuple[tuple[Made, ...], tuple[Made, ...]]
Verdict = tuple[str, str]
READY, INVALID = ("True", "Ready"), ("False", "SecretInvalid")
EXPIRED, EARLY_YET = ("False", "AuthorityExpired"), ("False", "AuthorityNotYetValid")

SHAPES: dict[str, tuple[Brought, Verdict, str]] = {
    "a root alone": (((TOP,), ()), READY, ""),
    "an intermediate with its root in ca.crt": (((MIDDLE,), (TOP,)), READY, ""),
    "an intermediate with its root in both": (((MIDDLE, TOP), (TOP,)), READY, ""),
    "its own root among others in ca.crt": (((MIDDLE,), (OLD, TOP)), READY, ""),
    "expired": (((OLD,), ()), EXPIRED, "certificate 1 of tls.crt ended"),
    "not valid yet": (((EARLY,), ()), EARLY_YET, "certificate 1 of tls.crt is not valid before"),
    "a root above it has expired": (((forge("low", OLD), OLD), ()), EXPIRED, "certificate 2 of tls.crt ended"),
    "the root in ca.crt has expired": (((forge("low", OLD),), (OLD,)), EXPIRED, "the root in ca.crt ended"),
    "it may not sign": (((MUTE,), ()), INVALID, "keyCertSign"),
    "what is above it may not sign": (
        ((forge("low", MUTE), MUTE), ()), INVALID, "keyCertSign",
    ),
    "the chain is in another order": (
        ((forge("low", MIDDLE), TOP, MIDDLE), (TOP,)), INVALID, "order the chain",
    ),
    "the chain ends in a namesake": (((MIDDLE, forge("top")), ()), INVALID, "order the chain"),
    "a key above it is weak": (((forge("low", WEAK), WEAK), ()), INVALID, "2048 bits or more"),
    "the root in ca.crt is weak": (((forge("low", WEAK),), (WEAK,)), INVALID, "2048 bits or more"),
    "it was signed with a weak hash": (((CURSORY,), (TOP,)), INVALID, "SHA-256 or better"),
    "ca.crt is of another authority": (((MIDDLE,), (OLD,)), INVALID, "ca.crt does not verify tls.crt"),
    "ca.crt is of a namesake": (((MIDDLE,), (forge("top"),)), INVALID, "ca.crt does not verify tls.crt"),
    "the path is too long for its root": (
        ((forge("low", TIGHT),), (TIGHT,)), INVALID, "path length",
    ),
}  # fmt: skip


def _brought(shape: Brought) -> MemoryWorld:
    chain, trust = shape
    data = {"tls.crt": pem(*(each.certificate for each in chain)), "tls.key": _key(chain[0])}
    made = world(authority=BROUGHT)
    made.put(secret_manifest(SYSTEM, "brought", data | _trust(trust)), by="user")
    return made


def _key(made: Made) -> bytes:
    return made.pair.key.open()


def _trust(trust: tuple[Made, ...]) -> Mapping[str, bytes]:
    return {"ca.crt": pem(*(each.certificate for each in trust))} if trust else {}


def _plan(made: MemoryWorld, now: datetime = NOW) -> Plan:
    return made.plan(AUTHORITY, plan_authority, now)


@pytest.mark.parametrize("sentence", SHAPES)
def test_a_brought_authority_is_ready_exactly_when_a_channel_gets_a_certificate_from_it(sentence: str) -> None:
    shape, verdict, words = SHAPES[sentence]
    made = _brought(shape)
    done = _plan(made)
    assert condition(done, "Ready") == verdict
    assert words in message(done, "Ready")
    settle(made)
    assert (SERVER in made.refs(SECRET)) is (verdict == READY)


def test_an_authority_is_judged_again_when_the_first_of_its_chain_begins_or_ends() -> None:
    made = _brought(((LASTING,), (TOP,)))
    end = NOW + 10 * DAY
    assert _plan(made).due == end + SECOND
    assert _plan(_brought(((EARLY,), ()))).due == NOW + DAY
    over = _plan(made, end + SECOND)
    assert condition(over, "Ready") == EXPIRED
    assert "spec.source.secretRef" in message(over, "Ready")
    assert over.due is None


def test_a_root_of_ours_that_ended_is_not_ready_and_says_what_to_do() -> None:
    made = world(authority={"lifetime": "24h", "leafLifetime": {"default": "1h", "maximum": "1h"}})
    due = _plan(made).due
    assert due == NOW + DAY + SECOND
    over = _plan(made, due)
    assert (condition(over, "Ready"), over.actions) == (EXPIRED, ())
    assert "create another CertificateAuthority" in message(over, "Ready")


def test_the_bundle_is_built_once_for_a_plan_however_many_namespaces_trust_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan wakes for each bundle that is placed; what it reads of the Secret is kept between its plans."""
    built: list[bytes] = []

    def build(pems: list[bytes]) -> bytes:
        built.append(build_bundle(pems))
        return built[-1]

    made = world(authority={"trust": {"namespaceSelector": {}}})
    monkeypatch.setattr(authority, "build_bundle", build)
    assert condition(_plan(made), "Ready") == ("False", "TrustPending")
    assert len(built) == 1


def _without_marks(made: MemoryWorld) -> None:
    kept = {key: made.manifest(ROOT)["metadata"][key] for key in ("name", "namespace")}
    pair = foreign_root()
    made.drop(ROOT)
    made.put(secret_manifest(data=_data(pair), **kept), by="user")


def _of_another(made: MemoryWorld) -> None:
    made.drop(ROOT)
    marks = marked(AUTHORITY._replace(name="other"))
    made.put(secret_manifest(SYSTEM, ROOT.name, _data(foreign_root()), **marks), by="breakwater")


def _data(pair: KeyPair) -> dict[str, bytes]:
    return {"tls.crt": pair.certificate_pem, "tls.key": pair.key.open()}


def _spec(**changes: Any) -> Callable[[MemoryWorld], None]:
    return lambda made: made.edit(AUTHORITY_REF, lambda manifest: manifest["spec"].update(changes), by="user")


def _deleting(made: MemoryWorld) -> None:
    since = {"deletionTimestamp": "2026-06-01T00:00:00Z"}
    made.edit(AUTHORITY_REF, lambda manifest: manifest["metadata"].update(since), by="user")


REFUSED: dict[str, Callable[[MemoryWorld], None]] = {
    "a Secret of others stands under the root's name": _without_marks,
    "the root of another subject stands under its name": _of_another,
    "it asks for what is not served": _spec(rotation={"reason": "lost"}),
    "its source is not served": _spec(source={"csr": {}}),
    "it is being deleted": _deleting,
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_no_channel_gets_a_certificate_from_an_authority_that_its_own_plan_refuses(sentence: str) -> None:
    made = world()
    REFUSED[sentence](made)
    refused = _plan(made)
    assert (refused.actions, condition(refused, "Accepted")[0]) == ((), "False")
    assert plan_channel(made).actions == ()
    assert condition(plan_channel(made), "Ready")[0] == "False"


def test_a_root_that_lost_a_mark_goes_on_signing_while_it_is_repaired() -> None:
    made = world()
    made.edit(ROOT, lambda manifest: manifest["metadata"]["annotations"].clear(), by="user")
    settle(made)
    assert SERVER in made.refs(SECRET)


def test_nobody_signs_with_the_root_of_another_authority_by_naming_its_secret() -> None:
    made = world()
    thief = AUTHORITY._replace(name="thief")
    manifest = made.manifest(AUTHORITY_REF)
    spec = manifest["spec"] | {"source": {"secretRef": {"name": ROOT.name}}}
    made.put({**manifest, "metadata": {"name": "thief"}, "spec": spec, "status": {}}, by="user")
    done = made.plan(thief, plan_authority, NOW)
    assert condition(done, "Accepted") == ("False", "SecretNotBrought")
    assert "spec.source.secretRef.name" in message(done, "Accepted")
    assert (done.actions, done.mentions) == ((), {})
