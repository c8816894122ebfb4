"""What a channel says and does when a certificate of it, or the authority above, comes to its end."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from breakwater.certificates.keypair import LEAVES
from breakwater.kernel.world import World
from tests.unit.pki.forge import forge, pem
from tests.unit.scenery import (
    BINDING,
    CHANNEL,
    CHANNEL_REF,
    CLIENT,
    DAY,
    GENERATED,
    NOW,
    SERVER,
    SYSTEM,
    plan,
    settle,
    settled,
    world,
)
from tests.unit.worlds import MemoryWorld, condition, message, secret_manifest

SECOND = timedelta(seconds=1)
SHORT = {"lifetime": "24h", "leafLifetime": {"default": "24h", "maximum": "24h"}}
END = NOW + DAY
BARE = {"encryption": {"trust": {"system": True}}}

CHANNELS = {
    "PostgreSQL": {},
    "SMTP": {"protocol": "SMTP"},
    "LDAP": {"protocol": "LDAP"},
    "a client certificate alone": {**BARE, "authentication": CLIENT},
}


@pytest.mark.parametrize("sentence", CHANNELS)
def test_a_certificate_that_ended_with_its_authority_is_told_at_that_moment(sentence: str) -> None:
    made = settled(CHANNELS[sentence], SHORT)
    assert condition(plan(made), "Ready") == ("True", "Ready")
    assert plan(made).due == END + SECOND
    over = plan(made, END + SECOND)
    assert condition(over, "Ready") == ("False", "AuthorityExpired")
    assert "create another CertificateAuthority" in message(over, "Ready")
    assert over.actions == ()


def test_a_certificate_that_ended_unrenewed_is_called_expired_and_not_due() -> None:
    made = settled()
    over = plan(made, NOW + 100 * DAY)
    assert [action.reason for action in over.actions] == ["CertificateExpired"]
    assert condition(over, "Ready") == ("False", "CertificateExpired")


@pytest.mark.parametrize("sentence", CHANNELS)
def test_a_renewal_that_is_overdue_wakes_nobody_before_the_certificate_ends(sentence: str) -> None:
    made = settled(CHANNELS[sentence])
    late = plan(made, NOW + 80 * DAY)
    assert [action.reason for action in late.actions] == ["RenewalDue"]
    assert late.due == NOW + 90 * DAY + SECOND


def test_nothing_is_asked_of_an_authority_that_has_ended() -> None:
    made = world({"authentication": CLIENT}, SHORT)
    over = plan(made, END + SECOND)
    assert (over.actions, condition(over, "Ready")) == ((), ("False", "AuthorityExpired"))
    assert "authorityRef" in message(over, "Ready")


def _brought(made: MemoryWorld, now: datetime, root: str, key: object) -> None:
    top = forge(root, period=(now - DAY, now + 400 * DAY))
    middle = forge("middle", top, key=key, period=(now - DAY, now + 300 * DAY))  # type: ignore[arg-type]  # any key
    data = {"tls.crt": middle.pair.certificate_pem, "tls.key": middle.pair.key.open(), "ca.crt": pem(top.certificate)}
    made.put(secret_manifest(SYSTEM, "brought", data), by="user")


def test_an_intermediate_under_a_new_root_reaches_both_ends_without_another_key() -> None:
    made = world({"authentication": CLIENT}, {"source": {"secretRef": {"name": "brought"}}})
    key = forge("any").key
    _brought(made, NOW, "first", key)
    settle(made)
    before = {ref: made.data(ref) for ref in (SERVER, BINDING)}
    _brought(made, NOW, "second", key)
    settle(made)
    for ref, data in before.items():
        after = made.data(ref)
        assert after["tls.key"] == data["tls.key"]
        assert after["ca.crt"] != data["ca.crt"]
        ours, theirs = after["tls.crt"].split(b"-----END", 1), data["tls.crt"].split(b"-----END", 1)
        assert ours[0] == theirs[0], "the leaf stays"
        assert ours[1] != theirs[1], "its intermediate is the new one"
    assert plan(made).actions == ()


def test_a_binding_without_its_client_certificate_does_not_count_as_one_any_more() -> None:
    made = settled({**BARE, "authentication": {**GENERATED, **CLIENT}})
    seen = World(made, CHANNEL)
    assert [ref for ref, _ in seen.indexed(LEAVES, "platform").value] == [BINDING]
    made.edit(CHANNEL_REF, lambda manifest: manifest["spec"]["authentication"].pop("clientCertificate"), by="user")
    settle(made)
    assert seen.indexed(LEAVES, "platform").value == ()
    marks = made.manifest(BINDING)["metadata"]["annotations"]
    assert not {"breakwater.dev/authority", "breakwater.dev/use", "breakwater.dev/generation"} & marks.keys()
    assert plan(made).actions == ()
