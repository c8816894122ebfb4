"""A control plane with the operator behind the fault proxy, and the life of one authority and one channel on it."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from tests.cluster.harness import NAMESPACE, OperatorProcess, authority, channel, conditions, install, is_ready
from tests.cluster.key_history import RELEASED, KeyHistory, orphans
from tests.controlplane import Cluster, ControlPlane, wait_until
from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import Match, Request

T = TypeVar("T")
State = Mapping[str, Any]

KINDS = "/apis/breakwater.dev/v1alpha1"
PLURALS = {"CertificateAuthority": "certificateauthorities", "CommunicationChannel": "communicationchannels"}
QUIET = 1.5
"""Seconds without a request after which an undisturbed operator counts as finished; its debounce takes one."""
TIMEOUT = 60
"""Seconds within which an operator that was disturbed must have finished; 1 to 4 are usual."""

IDLE = 20
"""Seconds for which a connection may rest before the API server could have ended it."""
POLL = 0.15
"""Seconds from one look at a state to the next."""

UNCOUNTED = (Match(group="coordination.k8s.io"), Match(verb="watch"))
NUMBERED = Match(user_agent="breakwater/", excluding=UNCOUNTED)
"""What an operator that leads asks of the API server: everything but its Lease and its watches."""


@dataclass(frozen=True)
class Scenario:
    """An authority with trust in one namespace, where one channel has all that a channel can have."""

    name: str
    policy: str = "Retain"
    lifetime: str = "2160h"

    @property
    def authority(self) -> dict[str, Any]:
        """The authority, which bears the scenario's name."""
        grant = {
            "name": "all",
            "namespaceSelector": {"matchLabels": self.labels},
            "usages": ["Server", "Client"],
            "commonNames": ["app", "app-2"],
        }
        trust = {"namespaceSelector": {"matchLabels": self.labels}}
        return authority(self.name, usableFrom=[grant], trust=trust, leafLifetime={"default": self.lifetime})

    @property
    def channel(self) -> dict[str, Any]:
        """The channel, in the namespace of the scenario's name."""
        client = {"authorityRef": {"name": self.name}, "commonName": "app"}
        login = {"generate": {"username": "app"}}
        authentication = {"password": login, "clientCertificate": client}
        return channel(self.name, "db", self.name, deletionPolicy=self.policy, authentication=authentication)

    @property
    def labels(self) -> dict[str, str]:
        """What marks its namespace."""
        return {"scenario": self.name}

    @property
    def authority_path(self) -> str:
        return f"{KINDS}/certificateauthorities/{self.name}"

    @property
    def channel_path(self) -> str:
        return f"{KINDS}/namespaces/{self.name}/communicationchannels/db"


class Api:
    """The administrator's way to the API server, one request at a time: states are asked for too often for kubectl."""

    def __init__(self, cluster: Cluster) -> None:
        cluster.kubectl("create", "serviceaccount", "observer", "-n", "default")
        rights = ("--clusterrole=cluster-admin", "--serviceaccount=default:observer")
        cluster.kubectl("create", "clusterrolebinding", "observer", *rights)
        token = cluster.kubectl("create", "token", "observer", "-n", "default", "--duration=24h").strip()
        self._authorization = f"Bearer {token}"
        address = urlsplit(cluster.url)
        trust = ssl.create_default_context(cadata=cluster.ca_pem)
        self._connection = http.client.HTTPSConnection(str(address.hostname), address.port, timeout=30, context=trust)
        self._used = 0.0

    def get(self, path: str) -> Any:
        """The object or list, None where there is none."""
        return self.request("GET", path)

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Any:
        """The answer, None where the object does not exist."""
        headers = {"Authorization": self._authorization, "Content-Type": content_type}
        if time.monotonic() - self._used > IDLE:
            self._connection.close()
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        content = json.loads(answer.read())
        self._used = time.monotonic()
        if answer.status >= 300 and answer.status != 404:
            raise AssertionError(f"{method} {path}: {content}")
        return None if answer.status == 404 else content

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


class Lane:
    """One control plane, one proxy; the operators come and go. A context manager."""

    def __init__(self, over: threading.Event) -> None:
        self._over = over
        self._running = contextlib.ExitStack()
        self._leader: OperatorProcess | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            self.controlplane = starting.enter_context(ControlPlane())
            install(self.controlplane)
            self.api = Api(self.controlplane)
            starting.callback(self.api.close)
            trust = self.controlplane.workdir / "authority.pem"
            trust.write_text(self.controlplane.ca_pem)
            self.proxy = starting.enter_context(FaultProxy(self.controlplane.url, trust))
            self._running = starting.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    def operator(self, identity: str, *, lease_duration: int) -> OperatorProcess:
        """One replica behind the proxy, not started; it ends with the lane."""
        operator = OperatorProcess(
            self.controlplane,
            identity=identity,
            server=self.proxy.url,
            ca_file=self.proxy.ca_file,
            lease_duration=lease_duration,
        )
        self._running.callback(operator.stop)
        return operator

    def wait_leading(self, operator: OperatorProcess) -> None:
        """Until an operator leads; from then on all waiting ends with its own end, unless it is killed."""
        operator.wait_leading()
        self._leader = operator

    def declare(self, scenario: Scenario) -> None:
        """Create authority and channel in their namespace, which exists."""
        self.api.request("POST", f"{KINDS}/certificateauthorities", scenario.authority)
        self.api.request("POST", f"{KINDS}/namespaces/{scenario.name}/communicationchannels", scenario.channel)

    def rename(self, scenario: Scenario) -> None:
        """Change the names in both certificates of the channel: each needs a new generation."""
        names = [f"db.{scenario.name}.svc", f"db-2.{scenario.name}.svc"]
        client = {"authorityRef": {"name": scenario.name}, "commonName": "app-2"}
        spec = {
            "encryption": {"serverCertificate": {"dnsNames": names}},
            "authentication": {"clientCertificate": client},
        }
        self.api.request("PATCH", scenario.channel_path, {"spec": spec}, "application/merge-patch+json")

    def remove(self, scenario: Scenario) -> None:
        """Delete channel and authority."""
        self.api.request("DELETE", scenario.channel_path)
        self.api.request("DELETE", scenario.authority_path)

    def make_namespace(self, scenario: Scenario) -> None:
        """Create the namespace of a scenario."""
        manifest = {"metadata": {"name": scenario.name, "labels": scenario.labels}}
        self.api.request("POST", "/api/v1/namespaces", manifest)

    def prepare(self, scenario: Scenario) -> None:
        """Bring a scenario to where everything is in place."""
        self.make_namespace(scenario)
        self.declare(scenario)
        wait_until(lambda: self.is_issued(scenario), TIMEOUT, f"{scenario.name} being issued", POLL)

    def is_issued(self, scenario: Scenario) -> bool:
        """Whether authority and channel are Ready as they are declared now."""
        self.check()
        declared = [self.api.get(path) for path in (scenario.authority_path, scenario.channel_path)]
        return all(item and is_ready(item) for item in declared)

    def check(self) -> None:
        """End what waits in vain: the tests are over, or the leader has ended by itself."""
        if self._over.is_set():
            raise RuntimeError("the tests are over")
        ended = self._leader.returncode if self._leader else None
        if self._leader and ended not in (None, -signal.SIGKILL):
            raise AssertionError(f"the leader ended with {ended}:\n{self._leader.log_text[-4000:]}")

    def state(self, scenario: Scenario) -> State:
        """All that exists of a scenario, but for what differs from run to run: its own name, bytes of keys, times."""
        self.check()
        place = f"/api/v1/namespaces/{scenario.name}"
        found = {
            "authority": self.api.get(scenario.authority_path),
            "channel": self.api.get(scenario.channel_path),
            "root": self.api.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/authority-{scenario.name}"),
        }
        for plural in ("secrets", "configmaps"):
            listed = self.api.get(f"{place}/{plural}")["items"]
            found |= {f"{plural}/{item['metadata']['name']}": item for item in listed}
        shown = {name: _shown(item) for name, item in found.items() if item and not name.endswith("/kube-root-ca.crt")}
        state: State = json.loads(json.dumps(shown, sort_keys=True).replace(scenario.name, "SCENARIO"))
        return state

    def wait_state(self, scenario: Scenario, expected: State, what: str) -> None:
        """Until a scenario has come to the expected state; the assertion shows where it stands otherwise."""
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: self.stands(scenario, expected), TIMEOUT, what, POLL)
        assert self.state(scenario) == expected, what

    def stands(self, scenario: Scenario, expected: State) -> bool:
        """Whether a scenario has come to the expected state."""
        return self.state(scenario) == expected

    def generations(self, scenario: Scenario) -> set[int]:
        """Of the channel's certificates, by its status."""
        return {entry["generation"] for entry in self.state(scenario)["channel"]["certificates"]}

    def wait_quiet(self) -> None:
        """Until no operator has asked for anything for a while."""
        requests = -1
        while requests != (requests := len(self.requests())):
            self.check()
            self._over.wait(QUIET)

    def requests(self) -> list[Request]:
        """The numbered requests since the proxy's last reset."""
        return [request for request in self.proxy.log() if NUMBERED.accepts(request)]

    def faults(self) -> list[str]:
        """What the history of all keys on this control plane says against the operator."""
        history = KeyHistory(self.controlplane.audit().events(resource="secrets"))
        assert len(history), "the audit log holds no version of any Secret"
        secrets = self.api.get("/api/v1/secrets")["items"]
        declarations = [
            {**item, "kind": kind}
            for kind in ("CertificateAuthority", "CommunicationChannel")
            for item in self.api.get(f"{KINDS}/{PLURALS[kind]}")["items"]
        ]
        return [*history.faults(), *(f"{name}: an orphan" for name in orphans(secrets, declarations))]


def all_released(state: State) -> bool:
    """Whether nothing is left of a scenario but what was released."""
    only_secrets = all(name == "root" or name.startswith("secrets/") for name in state)
    return only_secrets and all(RELEASED in item["labels"] for item in state.values())


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    metadata, status = item["metadata"], item.get("status") or {}
    shown = {
        "type": item.get("type"),
        "labels": metadata.get("labels"),
        "annotations": metadata.get("annotations"),
        "data": sorted(item.get("data") or {}),
    }
    if "spec" not in item:
        return shown
    certificates = [{key: entry.get(key) for key in _CERTIFICATE} for entry in status.get("certificates", ())]
    return shown | {
        "conditions": {name: [found["status"], found["reason"]] for name, found in conditions(item).items()},
        "current": status.get("observedGeneration") == metadata["generation"],
        "certificates": certificates,
        "credentials": [entry["name"] for entry in status.get("credentials", ())],
        "rest": {key: status.get(key) for key in ("binding", "trust", "generation", "secretName")},
    }


_CERTIFICATE = ("use", "authority", "secretName", "generation")


class Lanes:
    """Several lanes side by side, since an operator that is watched being killed spends its time waiting."""

    def __init__(self, count: int) -> None:
        self._over = threading.Event()
        self._free: SimpleQueue[Lane] = SimpleQueue()
        self._pool = ThreadPoolExecutor(count)
        self._running = contextlib.ExitStack()
        self._count = count

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            for _ in range(self._count):
                self._free.put(starting.enter_context(Lane(self._over)))
            self._running = starting.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._pool.shutdown(cancel_futures=True)
        self._running.close()

    def submit(self, job: Callable[[Lane], T]) -> Future[T]:
        """Run a job on the next lane that is free."""
        return self._pool.submit(self._run, job)

    def _run(self, job: Callable[[Lane], T]) -> T:
        with self._borrowed() as lane:
            return job(lane)

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[Lane]:
        lane = self._free.get()
        try:
            yield lane
        finally:
            self._free.put(lane)
