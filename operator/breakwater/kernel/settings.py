"""What the operator was started with, as far as plans depend on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network


class Mode(StrEnum):
    """Observe: measured, judged and planned, nothing written but status. Enforce: written too."""

    OBSERVE = "Observe"
    ENFORCE = "Enforce"


@dataclass(frozen=True, slots=True)
class Settings:
    """The operator's configuration; constant for a process.

    Attributes:
        namespace: where the operator and the keys of its authorities live.
        cluster_domain: the DNS suffix of Services.
        probe_allow: networks that probes may reach besides the pods of a channel's own namespace.
        mode: a ceiling over every resource's own mode.
        api_server: addresses under which this operator reaches the API server.
        own_addresses: of the operator's own pod and machine.
        max_restarts: how many workloads of the cluster may be restarting at once.
    """

    namespace: str = "breakwater-system"
    cluster_domain: str = "cluster.local"
    probe_allow: tuple[IPv4Network | IPv6Network, ...] = ()
    mode: Mode = Mode.ENFORCE
    api_server: frozenset[str] = frozenset()
    own_addresses: frozenset[str] = frozenset()
    max_restarts: int = 3
