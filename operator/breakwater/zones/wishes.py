"""What zones want on one Ingress, and what follows when they want different things: decided once, the winner named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Feature(StrEnum):
    """What a zone can ask for, as `status.features` names it."""

    HSTS = "HSTS"
    HTTPS_REDIRECT = "HTTPSRedirect"


@dataclass(frozen=True, slots=True)
class Hsts:
    """Strict-Transport-Security as it is to be sent now.

    Attributes:
        max_age: seconds; 0 has browsers forget.
        steps: the max-ages of the ramp that it belongs to, rising.
    """

    max_age: int
    include_sub_domains: bool = False
    preload: bool = False
    steps: tuple[int, ...] = ()

    @property
    def header(self) -> str:
        """The header's value (RFC 6797, section 6.1)."""
        parts = [f"max-age={self.max_age}"]
        parts += ["includeSubDomains"] if self.include_sub_domains else []
        parts += ["preload"] if self.preload else []
        return "; ".join(parts)

    def __str__(self) -> str:
        return f"Strict-Transport-Security: {self.header}"


@dataclass(frozen=True, slots=True)
class Redirect:
    """From http to https, with this status."""

    status_code: int

    def __str__(self) -> str:
        return f"http answered with {self.status_code} to https"


Setting = Hsts | Redirect


@dataclass(frozen=True, slots=True)
class Wish:
    """What one zone says to one Ingress.

    Attributes:
        created: of the zone, as written; the older one wins.
        enforced: whether it may be done. If not, what of these features stands already is left as it is.
        settings: by feature; what is missing here is not wanted, nor forbidden.
    """

    zone: str
    created: str
    enforced: bool
    settings: Mapping[Feature, Setting]


@dataclass(frozen=True, slots=True)
class Decided:
    """One feature on one Ingress: what is to be, and whose wish that is; `created` as in `Wish`."""

    setting: Setting
    zone: str
    created: str = ""


def decide(wishes: Iterable[Wish]) -> dict[Feature, Decided]:
    """The oldest zone that wants a feature decides on it; of two of the same second the first by name."""
    decided: dict[Feature, Decided] = {}
    for wish in sorted(wishes, key=lambda wish: (wish.created, wish.zone)):
        for feature, setting in wish.settings.items():
            decided.setdefault(feature, Decided(setting, wish.zone, wish.created))
    return decided
