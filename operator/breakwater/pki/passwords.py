"""Generated passwords."""

from __future__ import annotations

import secrets
import string

from breakwater.kernel.sealed import Sealed
from breakwater.pki.errors import invalid

MINIMUM_LENGTH = 16
MAXIMUM_LENGTH = 128
_CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_")
_ALPHABET = "".join(_CLASSES)


def check_length(length: int) -> None:
    """Tells whether a password may be that long.

    Raises:
        PkiError: InvalidField, `length`.
    """
    if not MINIMUM_LENGTH <= length <= MAXIMUM_LENGTH:
        raise invalid("length", f"must be from {MINIMUM_LENGTH} to {MAXIMUM_LENGTH} characters")


def generate_password(length: int) -> Sealed:
    """A random password that needs no quoting in JDBC URLs, shells, XML or LDAP, and that the usual policies accept.

    It consists of letters, digits, `-` and `_`, begins with a letter (never an option, an unquoted Oracle identifier)
    and holds each of the four classes. All such strings are equally likely; the demands cost less than 4 bits of
    the nearly 6 per character.

    Raises:
        PkiError: InvalidField, `length` is under 16 or over 128.
    """
    check_length(length)
    while True:
        password = "".join(secrets.choice(_ALPHABET) for _ in range(length))
        if password[0].isalpha() and all(set(password) & set(members) for members in _CLASSES):
            return Sealed(password.encode("ascii"))
