"""Workloads that use a channel's Secrets are found wherever their pods name them, and never touched undeclared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from tests.cluster.harness import USER
from tests.cluster.second_client import Manifest, Thing
from tests.cluster.suite import GENERATION, Scene, Suite, scene
from tests.controlplane import ControlPlane, mutating

SUITE = Suite("consumers")
IMAGE = "registry.example.com/app:1"


class Use(NamedTuple):
    """A workload and the Secrets of the channel that its pods name."""

    kind: str
    pod: Mapping[str, Any]
    secrets: list[str]


def _container(**fields: Any) -> dict[str, Any]:
    return {"name": "app", "image": IMAGE, **fields}


def _env(secret: str) -> list[dict[str, Any]]:
    return [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": secret, "key": "password"}}}]


PROJECTED = {"sources": [{"secret": {"name": "app-tls"}}, {"secret": {"name": "app-binding"}}]}
USES = {
    "by-volume": Use("Deployment", {"volumes": [{"name": "tls", "secret": {"secretName": "app-tls"}}]}, ["app-tls"]),
    "by-projection": Use(
        "StatefulSet", {"volumes": [{"name": "all", "projected": PROJECTED}]}, ["app-binding", "app-tls"]
    ),
    "by-variable": Use("DaemonSet", {"containers": [_container(env=_env("app-login"))]}, ["app-login"]),
    "by-variables": Use(
        "Deployment", {"containers": [_container(envFrom=[{"secretRef": {"name": "app-binding"}}])]}, ["app-binding"]
    ),
    "by-init-container": Use(
        "Deployment", {"initContainers": [_container(name="init", env=_env("app-binding"))]}, ["app-binding"]
    ),
    "by-nothing": Use("Deployment", {"volumes": [{"name": "other", "secret": {"secretName": "other-tls"}}]}, []),
}


def _workload(name: str, use: Use) -> Manifest:
    labels = {"app": name}
    pod = {"containers": [_container()]} | dict(use.pod)
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec: dict[str, Any] = {"selector": {"matchLabels": labels}, "template": template}
    # No pods are needed: what they would mount stands in the template.
    spec |= {} if use.kind == "DaemonSet" else {"replicas": 0}
    spec |= {"serviceName": name} if use.kind == "StatefulSet" else {}
    return {
        "apiVersion": "apps/v1",
        "kind": use.kind,
        "metadata": {"name": name, "namespace": SUITE.name},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def stage() -> Iterator[Scene]:
    with scene(SUITE) as made:
        made.cluster.apply([_workload(name, use) for name, use in USES.items()])
        yield made


def _consumers(stage: Scene) -> list[Mapping[str, Any]]:
    found = stage.client.get(SUITE.channel)["status"].get("consumers", ())
    named = ("kind", "name", "declared", "secrets")
    return [{key: item[key] for key in named if key in item} for item in found]


def _expected(*declared: tuple[str, str]) -> list[Mapping[str, Any]]:
    found = {(use.kind, name): use.secrets for name, use in USES.items() if use.secrets}
    return [
        {"kind": kind, "name": name, "declared": (kind, name) in declared, **({"secrets": secrets} if secrets else {})}
        for (kind, name), secrets in sorted({**{each: [] for each in declared}, **found}.items())
    ]


def test_every_workload_that_uses_a_secret_is_found_and_named_as_undeclared(stage: Scene) -> None:
    stage.await_that(lambda: _consumers(stage) == _expected(), "the consumers in status")


def test_a_declared_workload_is_told_from_one_that_was_found(stage: Scene) -> None:
    consumers = [{"kind": "Deployment", "name": "by-volume"}, {"kind": "Deployment", "name": "not-there-yet"}]
    stage.client.patch(SUITE.channel, {"spec": {"consumers": consumers}})
    declared = [("Deployment", "by-volume"), ("Deployment", "not-there-yet")]
    stage.await_that(lambda: _consumers(stage) == _expected(*declared), "who is declared")
    stage.client.patch(SUITE.channel, {"spec": {"consumers": None}})
    stage.await_that(lambda: _consumers(stage) == _expected(), "nobody being declared")


def test_a_workload_that_no_longer_uses_a_secret_is_forgotten(stage: Scene) -> None:
    late = Use("Deployment", {"volumes": [{"name": "tls", "secret": {"secretName": "app-tls"}}]}, ["app-tls"])
    stage.cluster.apply(_workload("late", late))
    stage.await_that(lambda: any(item["name"] == "late" for item in _consumers(stage)), "the late one being found")
    stage.client.delete(_thing("late", late))
    stage.await_that(lambda: _consumers(stage) == _expected(), "the late one being forgotten")


def test_an_undeclared_workload_is_never_written_when_its_secrets_change(stage: Scene) -> None:
    assert isinstance(stage.cluster, ControlPlane)
    templates = {name: _template(stage, name, use) for name, use in USES.items()}
    stage.client.delete(SUITE.server)
    wanted = {"server": "2"}

    def renewed() -> bool:
        found = stage.client.find(SUITE.server)
        return found is not None and found["metadata"]["annotations"][GENERATION] == wanted["server"]

    stage.await_that(renewed, "the second certificate")
    stage.restart()
    stage.await_ready(SUITE)
    written = mutating(stage.cluster.audit().events(), USER)
    assert {event.resource for event in written} >= {"secrets"}, "the log holds what the operator wrote"
    assert [(event.verb, event.resource, event.name) for event in written if event.group == "apps"] == []
    assert {name: _template(stage, name, use) for name, use in USES.items()} == templates
    assert all("annotations" not in template["metadata"] for template in templates.values())


def _thing(name: str, use: Use) -> Thing:
    return Thing(f"apis/apps/v1/{use.kind.lower()}s", SUITE.name, name)


def _template(stage: Scene, name: str, use: Use) -> Mapping[str, Any]:
    template: Mapping[str, Any] = stage.client.get(_thing(name, use))["spec"]["template"]
    return template
