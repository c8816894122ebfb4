"""One authority and one channel that make one of everything, and the names of what they make."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.cluster import second_client as second
from tests.cluster.harness import NAMESPACE, OperatorProcess, authority, channel, conditions, install, is_ready
from tests.cluster.second_client import Manifest, SecondClient, Thing, config_map, secret, trust_bundle
from tests.controlplane import Cluster, ControlPlane, wait_until

# A subject that is disturbed more than twenty times a minute is held for 20 s by design; a table of drifts does that.
PATIENCE = 45.0
GENERATION = "breakwater.dev/generation"
EVENTS = "apis/events.k8s.io/v1/events"


@dataclass(frozen=True)
class Suite:
    """Namespace, authority and channel of one name; the channel has a server and a client certificate and a login."""

    name: str
    server: Thing = field(init=False)
    binding: Thing = field(init=False)
    login: Thing = field(init=False)
    root: Thing = field(init=False)
    trust: Thing = field(init=False)
    bundle: Thing = field(init=False)
    authority: Thing = field(init=False)
    channel: Thing = field(init=False)

    def __post_init__(self) -> None:
        for role, thing in {
            "server": secret(self.name, "app-tls"),
            "binding": secret(self.name, "app-binding"),
            "login": secret(self.name, "app-login"),
            "root": secret(NAMESPACE, f"authority-{self.name}"),
            "trust": config_map(self.name, f"{self.name}-trust"),
            "bundle": trust_bundle(f"breakwater-{self.name}"),
            "authority": second.authority(self.name),
            "channel": second.channel(self.name, "app"),
        }.items():
            object.__setattr__(self, role, thing)

    @property
    def made(self) -> tuple[Thing, ...]:
        """Everything that the operator makes for it."""
        return self.server, self.binding, self.login, self.root, self.trust, self.bundle

    @property
    def manifests(self) -> list[Manifest]:
        """What its user applies."""
        return [self.namespace_manifest, self.authority_manifest, self.channel_manifest]

    @property
    def namespace_manifest(self) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.name, "labels": {"suite": self.name}},
        }

    @property
    def authority_manifest(self) -> Manifest:
        trust = {"namespaceSelector": {"matchLabels": {"suite": self.name}}, "clusterTrustBundle": True}
        return authority(self.name, trust=trust)

    @property
    def channel_manifest(self) -> Manifest:
        login = {"generate": {"username": "app"}}
        client = {"authorityRef": {"name": self.name}, "commonName": "app"}
        return channel(
            self.name,
            "app",
            self.name,
            authentication={"password": login, "clientCertificate": client},
            output={"keys": {"APP_PASSWORD": "password", "APP_KEY": "private-key"}},
        )


class Scene:
    """A cluster with an operator that a test may stop, and the second client."""

    def __init__(self, cluster: Cluster, operator: OperatorProcess, client: SecondClient) -> None:
        self.cluster = cluster
        self.operator = operator
        self.client = client

    def apply(self, suite: Suite) -> None:
        """Apply a suite and wait until it is Ready."""
        self.cluster.apply(suite.manifests)
        self.await_ready(suite)

    def await_ready(self, suite: Suite) -> None:
        """Until authority and channel are Ready for what was asked."""
        wanted = (suite.authority, suite.channel)
        try:
            wait_until(lambda: all(is_ready(self.client.get(thing)) for thing in wanted), PATIENCE, "Ready")
        except TimeoutError as error:
            said = {thing.name: self.condition(thing, "Ready") for thing in wanted}
            raise AssertionError(f"{suite.name} is not Ready after {PATIENCE:.0f} s: {said}") from error

    def condition(self, thing: Thing, type_: str) -> Mapping[str, Any]:
        """A condition as it stands; empty where there is none."""
        return conditions(self.client.get(thing)).get(type_, {})

    def await_condition(self, thing: Thing, type_: str, status: str, reason: str) -> str:
        """Until a condition says so; returns its message."""

        def says() -> bool:
            found = self.condition(thing, type_)
            return (found.get("status"), found.get("reason")) == (status, reason)

        wait_until(says, PATIENCE, f"{thing.path}: {type_}={status}, {reason}")
        return str(self.condition(thing, type_)["message"])

    def await_gone(self, thing: Thing) -> None:
        """Kubernetes' own garbage collector may learn of our kinds a minute after they were defined."""
        wait_until(lambda: self.client.find(thing) is None, 2 * PATIENCE, f"{thing.path} being gone")

    def await_that(self, condition: Callable[[], Any], what: str) -> None:
        wait_until(condition, PATIENCE, what)

    def events(self, thing: Thing, reason: str) -> list[Manifest]:
        """Events about an object."""
        uid = self.client.get(thing)["metadata"]["uid"]
        found = self.client.list(EVENTS)
        return [item for item in found if item["regarding"].get("uid") == uid and item["reason"] == reason]

    def restart(self) -> None:
        """Start the operator, stopped or not, and wait until it leads."""
        self.operator.stop()
        self.operator.start()
        self.operator.wait_leading()

    @contextmanager
    def operator_away(self) -> Iterator[None]:
        """The operator is down inside the block and leads again after it."""
        self.operator.stop()
        yield
        self.restart()

    def wipe_status(self, *things: Thing) -> None:
        """What a restore from a backup does."""
        for thing in things:
            self.client.patch(thing, {"status": None}, subresource="status")
            assert "status" not in self.client.get(thing)


@contextmanager
def scene(*suites: Suite) -> Iterator[Scene]:
    """A control plane of its own with an operator that leads, and these suites Ready."""
    with ControlPlane() as cluster:
        install(cluster)
        with OperatorProcess(cluster) as operator, SecondClient(cluster.admin_kubeconfig) as client:
            operator.wait_leading()
            made = Scene(cluster, operator, client)
            for suite in suites:
                made.apply(suite)
            yield made


def generation(manifest: Mapping[str, Any]) -> int:
    """How many keys stood in a Secret."""
    return int(manifest["metadata"]["annotations"][GENERATION])


def content(manifest: Mapping[str, Any]) -> Manifest:
    """What we answer for on an object: all but what the API server adds."""
    metadata = manifest["metadata"]
    kept = {key: metadata.get(key) for key in ("labels", "annotations", "ownerReferences")}
    return {"metadata": kept} | {key: manifest[key] for key in ("data", "spec", "type") if key in manifest}
