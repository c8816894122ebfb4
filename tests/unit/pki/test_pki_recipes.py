from __future__ import annotations

import dataclasses
import traceback
from typing import TYPE_CHECKING

import pytest

from breakwater.kernel.sealed import Sealed
from breakwater.pki import (
    GeneratePassword,
    IssueCertificate,
    IssueRoot,
    KeyPair,
    PkiError,
    issue_root,
    key_matches,
    parse_chain,
)
from tests.unit.pki.forge import DAY, NOW, leaf_request, root_request

if TYPE_CHECKING:
    from breakwater.kernel.recipe import Recipe


@pytest.fixture
def issuer() -> KeyPair:
    return issue_root(root_request(), NOW)


def certificate_recipe(issuer: KeyPair) -> IssueCertificate:
    return IssueCertificate(leaf_request(), issuer.certificate_pem, issuer.key, b"trust bundle")


def plain(value: bytes | Sealed) -> bytes:
    assert isinstance(value, bytes)
    return value


def sealed(value: bytes | Sealed) -> Sealed:
    assert isinstance(value, Sealed)
    return value


def test_a_root_is_its_own_trust() -> None:
    recipe: Recipe = IssueRoot(root_request())
    data = recipe.make(NOW)
    assert set(data) == {"tls.crt", "tls.key", "ca.crt"}
    assert data["ca.crt"] == data["tls.crt"]
    assert key_matches(sealed(data["tls.key"]), plain(data["tls.crt"]))


def test_a_certificate_carries_the_trust_it_was_given(issuer: KeyPair) -> None:
    recipe: Recipe = certificate_recipe(issuer)
    data = recipe.make(NOW)
    assert set(data) == {"tls.crt", "tls.key", "ca.crt"}
    assert data["ca.crt"] == b"trust bundle"
    assert key_matches(sealed(data["tls.key"]), plain(data["tls.crt"]))
    assert parse_chain(plain(data["tls.crt"]))[0].issuer == "CN=test root"


def test_a_login_has_a_plain_name_and_a_sealed_password() -> None:
    recipe: Recipe = GeneratePassword(32, "bpm")
    data = recipe.make(NOW)
    assert data["username"] == b"bpm"
    assert len(sealed(data["password"]).open()) == 32


@pytest.mark.parametrize(
    ("recipe", "field"), [(GeneratePassword(8, "bpm"), "length"), (GeneratePassword(32, ""), "username")]
)
def test_an_impossible_login_is_refused_by_field(recipe: GeneratePassword, field: str) -> None:
    with pytest.raises(PkiError) as caught:
        recipe.make(NOW)
    assert caught.value.field == field


def test_recipes_compare_and_hash_by_what_they_make(issuer: KeyPair) -> None:
    other = issue_root(root_request(), NOW)
    copy = KeyPair(issuer.certificate_pem, Sealed(issuer.key.open()))
    assert certificate_recipe(issuer) == certificate_recipe(copy)
    assert len({certificate_recipe(issuer), certificate_recipe(copy), certificate_recipe(other)}) == 2


def test_no_representation_or_failure_of_a_recipe_shows_the_key(issuer: KeyPair) -> None:
    lines = [line for line in issuer.key.open().decode().splitlines() if "-----" not in line]
    recipe = certificate_recipe(issuer)
    broken = dataclasses.replace(recipe, issuer_key=Sealed(b"\n".join(issuer.key.open().splitlines()[:-1])))
    shown = [repr(recipe), repr(issuer), str(dataclasses.asdict(recipe)), repr(recipe.make(NOW))]
    for failing, now in ((broken, NOW), (recipe, NOW + 9999 * DAY)):
        with pytest.raises(PkiError) as caught:
            failing.make(now)
        ours = caught.tb.tb_next  # below this test, whose own variables hold the key
        trace = traceback.TracebackException(caught.type, caught.value, ours, capture_locals=True)
        shown.append("".join(trace.format()))
    assert not [line for line in lines for text in shown if line in text]
