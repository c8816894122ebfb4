"""What a plan may ask to be made: recipes with what goes into them, which the engine runs in a thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from breakwater.pki.errors import invalid
from breakwater.pki.issuing import KeyPair, issue_leaf, issue_root
from breakwater.pki.passwords import check_length, generate_password

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from breakwater.kernel.sealed import Sealed
    from breakwater.pki.requests import LeafRequest, RootRequest

CERTIFICATE = "tls.crt"
PRIVATE_KEY = "tls.key"
TRUST = "ca.crt"
USERNAME = "username"
PASSWORD = "password"  # noqa: S105  # the name of a data key, not a password


@dataclass(frozen=True, slots=True)
class IssueRoot:
    """A self-signed authority with its key; `ca.crt` is itself."""

    request: RootRequest

    def make(self, now: datetime) -> Mapping[str, bytes | Sealed]:
        """`tls.crt`, `tls.key` and `ca.crt`. Raises PkiError as `issue_root`."""
        pair = issue_root(self.request, now)
        return {CERTIFICATE: pair.certificate_pem, PRIVATE_KEY: pair.key, TRUST: pair.certificate_pem}


@dataclass(frozen=True, slots=True)
class IssueCertificate:
    """A leaf with its key, from an issuer that the plan has read.

    Attributes:
        request: what it shall be.
        issuer_certificate: the issuer's chain in PEM, its own certificate first.
        issuer_key: belongs to that certificate.
        trust: the bundle with which to verify the leaf, passed on as it is.
    """

    request: LeafRequest
    issuer_certificate: bytes = field(repr=False)
    issuer_key: Sealed = field(repr=False)
    trust: bytes = field(repr=False)

    def make(self, now: datetime) -> Mapping[str, bytes | Sealed]:
        """`tls.crt`, `tls.key` and `ca.crt`. Raises PkiError as `issue_leaf`."""
        pair = issue_leaf(self.request, KeyPair(self.issuer_certificate, self.issuer_key), now)
        return {CERTIFICATE: pair.certificate_pem, PRIVATE_KEY: pair.key, TRUST: self.trust}


@dataclass(frozen=True, slots=True)
class GeneratePassword:
    """A login: a name that was chosen and a password that nobody knows yet."""

    length: int
    username: str

    def check(self) -> None:
        """Tells before making whether it can be done.

        Raises:
            PkiError: InvalidField, with the field's name.
        """
        check_length(self.length)
        if not self.username:
            raise invalid("username", "must not be empty")

    def make(self, now: datetime) -> Mapping[str, bytes | Sealed]:  # noqa: ARG002  # a password has no date
        """`username` and `password`. Raises PkiError as `check`."""
        self.check()
        return {USERNAME: self.username.encode(), PASSWORD: generate_password(self.length)}
