"""What all parts of a channel share: each Secret has one use, and one mistake does not stop the rest."""

from __future__ import annotations

from typing import Any

import pytest

from breakwater.kernel.plan import WriteSecret
from tests.unit.scenery import (
    AUTHORITY_REF,
    BINDING,
    CLIENT,
    DAY,
    GENERATED,
    NOW,
    REFERENCE,
    SERVER,
    plan,
    settled,
    world,
)
from tests.unit.worlds import condition, message


def _server(name: str) -> dict[str, Any]:
    certificate = {"secretName": name, "authorityRef": REFERENCE, "dnsNames": ["db.bpm.svc"]}
    return {"encryption": {"trust": {"authorityRef": REFERENCE}, "serverCertificate": certificate}}


TWICE = {
    "the server's certificate and the binding": (
        _server("db-binding") | {"authentication": CLIENT},
        "spec.output.secretName",
        "db-binding",
    ),
    "the server's certificate and the generated login": (
        _server("db-login") | {"authentication": GENERATED},
        "spec.authentication.password.generate",
        "db-login",
    ),
    "a login of others and the binding": (
        {"authentication": {"password": {"secretRef": {"name": "db-binding"}}}},
        "spec.output.secretName",
        "db-binding",
    ),
    "the binding and the generated login": (
        {"authentication": GENERATED, "output": {"secretName": "db-login"}},
        "spec.authentication.password.generate",
        "db-login",
    ),
}


@pytest.mark.parametrize("sentence", TWICE)
def test_a_secret_that_two_parts_would_use_is_refused_with_both_fields(sentence: str) -> None:
    spec, field, name = TWICE[sentence]
    done = plan(world(spec))
    assert done.actions == ()
    assert condition(done, "Accepted") == ("False", "SecretNamedTwice")
    assert field in message(done, "Accepted")
    assert name in message(done, "Accepted")


def test_a_certificate_is_renewed_though_another_field_is_refused() -> None:
    made = settled({"authentication": CLIENT})
    withdrawn = {"name": "all", "namespaceSelector": {}, "usages": ["Server"]}
    made.edit(AUTHORITY_REF, lambda manifest: manifest["spec"].update(usableFrom=[withdrawn]), by="owner")
    later = plan(made, NOW + 70 * DAY)
    assert condition(later, "Accepted") == ("False", "NotPermitted")
    (action,) = later.actions
    assert isinstance(action, WriteSecret)
    assert (action.target, action.reason) == (SERVER, "RenewalDue")


def test_nothing_new_is_made_for_a_channel_that_is_refused() -> None:
    made = world({"authentication": CLIENT, "consumers": [{"name": "app"}]}, {"usableFrom": []})
    done = plan(made)
    assert condition(done, "Accepted") == ("False", "NotPermitted")
    assert done.actions == ()
    assert BINDING not in made.refs(BINDING.resource)
