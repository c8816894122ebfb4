"""The login of a channel: read from a Secret of the user's, or generated and kept in two places.

A password is not made twice: what a server was told cannot be told again by us. It stands in the login Secret and in
the binding; either is restored from the other, and when both are gone only a person can help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from breakwater.certificates.keypair import secret_data
from breakwater.channels.kind import GeneratedPassword
from breakwater.channels.part import Asked, Part, in_place, pending, refused, waiting
from breakwater.channels.written import Target, marks_differ, secret_action
from breakwater.kernel.apply import is_written_by_others
from breakwater.kernel.ownership import LOGIN_ORIGIN, Claim, Free, Ours, Taken, claim
from breakwater.kernel.plan import Action
from breakwater.kernel.reading import Absent, Manifest, Projection, Unknown
from breakwater.kernel.recipe import Known
from breakwater.kernel.sealed import Sealed
from breakwater.pki import GeneratePassword
from breakwater.pki.recipes import PASSWORD, USERNAME

NAME = "Login"
ID = "login"
GENERATED = "Generated"
BASIC_AUTH = "kubernetes.io/basic-auth"


@dataclass(frozen=True, slots=True)
class Login:
    """A login as it stands; `tampered` when somebody else wrote the password last."""

    username: bytes
    password: Sealed | None
    tampered: bool = False


def _login(manifest: Manifest) -> Login:
    data = secret_data(manifest)
    password = Sealed(data[PASSWORD]) if data.get(PASSWORD) else None
    return Login(data.get(USERNAME, b""), password, tampered=is_written_by_others(manifest, PASSWORD))


LOGIN: Projection[Login] = Projection("login", _login)


def login_part(asked: Asked, binding: Claim | None) -> Part | None:
    """The part, or None where no password is declared. `binding` is where the other copy stands."""
    authentication = asked.spec.authentication
    if authentication is None or authentication.password is None:
        return None
    password = authentication.password
    if password.secret_ref is not None:
        return _referenced(asked, password.secret_ref.name)
    if password.generate is None:
        raise ValueError("the model lets exactly one member through")
    return _generated(asked, password.generate, binding)


def login_secret(asked: Asked) -> str:
    """Name of the Secret that holds a generated login."""
    return f"{asked.subject.name}-login"


def _referenced(asked: Asked, name: str) -> Part:
    field = f"spec.authentication.password.secretRef: Secret {name}"
    reading = asked.world.get(asked.secret(name), LOGIN)
    if isinstance(reading, Unknown):
        return waiting(NAME, reading.reason, reading.message, known=False)
    if isinstance(reading, Absent):
        return waiting(NAME, "SecretNotFound", f"{field} does not exist; create it with username and password")
    login = reading.value
    if not login.username or login.password is None:
        return waiting(NAME, "SecretInvalid", f"{field} needs both keys, username and password, not empty")
    return in_place(NAME, found=login, status={"credentials": [{"name": "login", "secretName": name}]})


def _generated(asked: Asked, wanted: GeneratedPassword, binding: Claim | None) -> Part:
    ref = asked.secret(login_secret(asked))
    held = claim(asked.world, ref, asked.subject)
    if isinstance(held, Unknown):
        return waiting(NAME, held.reason, held.message, known=False)
    if isinstance(held, Taken):
        return refused(
            NAME, "NameTaken", f"Secret {ref.name}, where the login goes, belongs to {held.by}; rename or delete it"
        )
    if isinstance(binding, Unknown):
        return waiting(NAME, binding.reason, binding.message, known=False)
    copy = _copy_in(asked, binding)
    if isinstance(held, Free):
        return _missing(asked, Target(ref, None), wanted, copy)
    return _kept(asked, Target(ref, held), held, wanted, copy)


def _missing(asked: Asked, target: Target, wanted: GeneratedPassword, copy: Login | None) -> Part:
    if copy is not None and copy.password is not None:
        return _restore(asked, target, wanted, copy.password, "the login is restored from the binding")
    status = _remembered(asked)
    if status:
        return _lost(status, target)
    action = secret_action(
        ID,
        target,
        (GeneratePassword(wanted.length, wanted.username),),
        BASIC_AUTH,
        asked.marks(),
        reason="LoginMissing",
        message="the login is not made yet",
    )
    return pending(NAME, action, asked.world.failure(ID))


def _kept(asked: Asked, target: Target, held: Ours, wanted: GeneratedPassword, copy: Login | None) -> Part:
    login = held.entry.project(LOGIN)
    better = _better(copy, login)
    if better is not None:
        message = "the password was changed or removed; it is restored from the binding"
        return _restore(asked, target, wanted, better, message)
    if login.password is None:
        return _lost(_status(target, held), target)
    status = _status(target, held)
    good = Login(wanted.username.encode(), login.password)
    if login.username == good.username and not marks_differ(held, *asked.marks()):
        return in_place(NAME, found=good, status=status)
    action = _write(
        asked, target, good, "LoginChanged", "the user name, a label or an annotation differs", notable=False
    )
    return pending(NAME, action, asked.world.failure(ID), found=good, status=status)


def _restore(asked: Asked, target: Target, wanted: GeneratedPassword, copy: Sealed, message: str) -> Part:
    action = _write(asked, target, Login(wanted.username.encode(), copy), "CopyRestored", message, notable=True)
    return pending(NAME, action, asked.world.failure(ID), status=_remembered(asked))


def _write(asked: Asked, target: Target, login: Login, reason: str, message: str, *, notable: bool) -> Action:
    password = {PASSWORD: login.password} if login.password else {}
    parts = (Known.of({USERNAME: login.username, **password}),)
    return secret_action(ID, target, parts, BASIC_AUTH, asked.marks(), reason=reason, message=message, notable=notable)


def _lost(status: Mapping[str, Any], target: Target) -> Part:
    message = (
        f"the generated password is gone from Secret {target.ref.name} and from the binding. Restore one of them from "
        "a backup; or set a password anew at the server, write it into a Secret of yours and name that in "
        "spec.authentication.password.secretRef. A fresh one is never made, because the server would not know it"
    )
    part = waiting(NAME, "PasswordLost", message)
    return Part(part.condition, stalled=True, status=status)


def _copy_in(asked: Asked, binding: Claim | None) -> Login | None:
    """The other copy of a password that was generated; what a user once brought is none."""
    if not isinstance(binding, Ours):
        return None
    generated = binding.entry.annotations.get(LOGIN_ORIGIN) == GENERATED or bool(_remembered(asked))
    return binding.entry.project(LOGIN) if generated else None


def _better(copy: Login | None, login: Login) -> Sealed | None:
    """The binding's password where that is to be believed: the login has none, or others changed only the login's."""
    if copy is None or (login.password is not None and (copy.tampered or not login.tampered)):
        return None
    return copy.password if copy.password != login.password else None


def _status(target: Target, held: Ours) -> dict[str, Any]:
    created = held.mark.created
    return {"credentials": [{"name": "login", "secretName": target.ref.name, "generatedAt": created}]}


def _remembered(asked: Asked) -> dict[str, Any]:
    """What status knows of a password that was generated: the last trace of it."""
    entries = asked.status.get("credentials")
    kept = [entry for entry in entries or () if isinstance(entry, dict) and entry.get("generatedAt")]
    return {"credentials": kept} if kept else {}
