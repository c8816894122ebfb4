"""What a dialect is: settings of a zone in, annotations and companion objects of one ingress engine out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import Ref
from breakwater.zones.ingress import Ingress
from breakwater.zones.wishes import Feature, Setting


class State(StrEnum):
    """How far a feature has come on one Ingress."""

    ENFORCED = "Enforced"
    CONFIGURED = "Configured"
    PARTIAL = "Partial"
    UNSUPPORTED = "Unsupported"
    FAILING = "Failing"


@dataclass(frozen=True, slots=True)
class Said:
    """How well an engine can do what is asked: Configured, Partial with what is lacking, or Unsupported with why.

    Attributes:
        pending: it is only a matter of time.
        presumed: read from the Ingress alone, so that live answers which show otherwise are right.
    """

    state: State
    detail: str = ""
    pending: bool = False
    presumed: bool = False

    @property
    def in_place(self) -> bool:
        """Whether all that can be written is."""
        return self.state is State.CONFIGURED or (self.state is State.PARTIAL and not self.pending)


_MOST_NAMED = 4


def without_https(ingress: Ingress) -> str:
    """The hosts that `spec.tls` leaves out, for people; no more of them than fit into a sentence."""
    names = [host or "any other host" for host in ingress.insecure]
    more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    return ", ".join((*names[:_MOST_NAMED], *more))


@dataclass(frozen=True, slots=True)
class Companion:
    """An object beside the Ingress that holds a feature's settings.

    Attributes:
        spec: in the server's defaulted form.
        link: how the Ingress's annotation names it.
    """

    ref: Ref
    spec: Mapping[str, Any]
    link: str


@dataclass(frozen=True, slots=True)
class Written:
    """One engine's form of what is asked.

    Attributes:
        said: by feature.
        annotations: for the Ingress, by feature.
        companions: by feature.
    """

    said: Mapping[Feature, Said]
    annotations: Mapping[Feature, Mapping[str, str]] = field(default_factory=dict)
    companions: Mapping[Feature, Companion] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One ingress engine.

    Attributes:
        name: for people.
        controller: as its IngressClasses name it.
        write: the settings in its words; pure.
        keys: the annotations that it may write for a feature, each with the first version that knows it.
        companion: name of the object that holds a feature on an Ingress; None where there is none.
        adds_preload: whether each Strict-Transport-Security header of it carries `preload`.
        links: the annotation that lists the companions; empty where there are none.
        link: how it names one of them.
        max_age: the Strict-Transport-Security max-age that is written now, from the Ingress and its HSTS companion.
        answers: the status codes of a redirected GET that mean what was declared.
    """

    name: str
    controller: str
    write: Callable[[Ingress, Mapping[Feature, Setting]], Written]
    keys: Mapping[Feature, Mapping[str, str]]
    max_age: Callable[[Ingress, Manifest | None], int | None]
    answers: Mapping[int, tuple[int, ...]]
    companion: Callable[[Ingress, Feature], Companion] | None = None
    adds_preload: bool = False
    links: str = ""
    link: Callable[[Ref], str] = str
