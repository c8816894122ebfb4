"""A gap in what the operator hears, what happens during it, and what must have been noticed afterwards."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.cluster.harness import all_ready, channel, is_ready
from tests.controlplane import wait_until
from tests.controlplane.proxy_model import Action, Match

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.controlplane import Cluster
    from tests.controlplane.proxy_client import FaultProxy

RELEASED = "breakwater.dev/released"
WATCHES = Match(verb="watch")
READS = Match(verb=("list", "watch"))
DECLARATIONS = Match(verb=("list", "watch"), resource="communicationchannels")


@dataclass(frozen=True)
class Fault:
    """What befalls the operator's streams.

    `first` befalls those that are open, `meanwhile` all that it asks for (by default lists and watches) until the gap
    ends, `last` those that are still open then.
    """

    first: Action
    meanwhile: Action | None = None
    last: Action | None = None
    asked: Match = READS
    restarts: bool = False
    """Whether the process ends over it: kopf cannot go on from everything."""


@dataclass
class Gap:
    """Runs one fault over one namespace that holds channels; then waits until everything was noticed."""

    cluster: Cluster
    proxy: FaultProxy
    namespace: str
    times: dict[str, float] = field(default_factory=dict)
    """Seconds from the first answered list or watch of channels, or from the end of the gap, to each effect."""
    struck: float = 0.0
    """When the fault met the streams, in monotonic time."""

    def prepare(self) -> None:
        """Three channels that are Ready, and one that waits for a Secret of its user."""
        login = {"password": {"secretRef": {"name": "app-login"}}}
        names = ("changed", "deleted", "robbed")
        self.cluster.kubectl("create", "namespace", self.namespace)
        self.cluster.apply([channel(self.namespace, name) for name in names])
        self.cluster.apply(channel(self.namespace, "waiting", authentication=login))
        wait_until(all_ready(self.cluster, "chan", "-n", self.namespace, *names), 30, "the channels being Ready")
        wait_until(lambda: self._get("chan", "waiting").get("status"), 10, "the waiting channel being judged")
        assert not is_ready(self._get("chan", "waiting"))

    def run(self, fault: Fault) -> None:
        """Cut, change, mend."""
        robbed = self._get("secret", "robbed-tls")["metadata"]["uid"]
        held = self.proxy.add(fault.asked, fault.meanwhile, scope="new") if fault.meanwhile else None
        self.struck = time.monotonic()
        self.proxy.add(WATCHES, fault.first, scope="live")
        self._happen()
        if held is not None:
            if fault.last is None:
                self.proxy.wait_applied(held)
            self.proxy.remove(held)
        mended = time.monotonic()
        if fault.last:
            self.struck = mended
            self.proxy.add(WATCHES, fault.last, scope="live")
        self._await_effects(robbed)
        heard = min((seen for seen in self._answered(DECLARATIONS) if seen > mended), default=mended)
        # By the proxy's clock: on a busy machine kubectl takes long to see it.
        self.times["deleted"] = max(self._answered(Match(verb="update", resource="secrets", name="deleted-tls")))
        self.times = {effect: at - heard for effect, at in self.times.items()} | {"gap": heard - mended}

    def _happen(self) -> None:
        cluster, place = self.cluster, ("-n", self.namespace)
        login = {"username": "app", "password": "correct horse"}
        data = {key: base64.b64encode(value.encode()).decode() for key, value in login.items()}
        changed = channel(self.namespace, "changed")
        changed["spec"]["encryption"]["serverCertificate"]["dnsNames"].append(f"extra.{self.namespace}.svc")
        meta = {"name": "app-login", "namespace": self.namespace}
        cluster.apply([channel(self.namespace, "created"), changed])
        cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})
        cluster.kubectl("delete", "chan", "deleted", *place)
        cluster.kubectl("delete", "secret", "robbed-tls", *place)

    def _await_effects(self, robbed: str) -> None:
        effects: dict[str, Callable[[], bool]] = {
            "created": lambda: is_ready(self._get("chan", "created")),
            "changed": lambda: is_ready(self._get("chan", "changed")),
            "deleted": lambda: RELEASED in self._get("secret", "deleted-tls")["metadata"]["labels"],
            "robbed": lambda: self._get("secret", "robbed-tls").get("metadata", {}).get("uid", robbed) != robbed,
            "waiting": lambda: is_ready(self._get("chan", "waiting")),
        }

        def noticed() -> bool:
            for name in [name for name in effects if name not in self.times]:
                if effects[name]():
                    self.times[name] = time.monotonic()
            return len(self.times) == len(effects)

        try:
            wait_until(noticed, 75, "everything being noticed")
        except TimeoutError as error:
            raise AssertionError(f"not noticed: {sorted(effects.keys() - self.times)}") from error

    def _answered(self, match: Match) -> list[float]:
        requests = (request for request in self.proxy.log() if match.accepts(request))
        return [request.answered for request in requests if request.answered and request.status == 200]

    def _get(self, kind: str, name: str) -> dict[str, object] | dict[str, dict[str, object]]:
        items = self.cluster.get(kind, "-n", self.namespace, "--field-selector", f"metadata.name={name}")["items"]
        return items[0] if items else {}
