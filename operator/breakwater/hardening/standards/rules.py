"""Conditions on a whole pod: on its spec, its annotations, all its containers, or both pod and containers.

The containers are those of `containers`, `initContainers` and `ephemeralContainers`, as the built-in admission sees
them (k8s.io/pod-security-admission, policy/visitor.go). Violations are paths such as
`spec.initContainers[0].securityContext.privileged`, in the form of the API server's own messages; annotations are
`metadata.annotations[KEY]`. Where something is missing, the path says where it would stand.
"""
# ruff: noqa: D102 - Rule says once what the methods of all of them mean

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from breakwater.hardening.standards.cel import Cel, all_of, any_of, cel_string, entry, every
from breakwater.hardening.standards.terms import At, Term, entries_of, items_of

CONTAINER_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")

CONTAINERS: Final = (
    "(dyn(object.spec.?initContainers.orValue([])) + dyn(object.spec.containers) + "
    "dyn(object.spec.?ephemeralContainers.orValue([])))"
)
"""All containers as one list. Untyped: to the type checker an ephemeral container is no container."""

_SPEC: Final = "object.spec"
_ANNOTATIONS: Final = "object.metadata.annotations"


class Rule(ABC):
    """A condition on a pod."""

    @abstractmethod
    def cel(self, containers: str) -> Cel:
        """The condition over `object`, true when it holds; `containers` is an expression for all containers."""

    @abstractmethod
    def violations(self, pod: Mapping[str, Any]) -> Iterator[str]:
        """The paths that break it."""


@dataclass(frozen=True, slots=True)
class OnPart(Rule):
    """A condition on the pod's `spec` or its `metadata`."""

    part: Literal["spec", "metadata"]
    term: Term

    def cel(self, containers: str) -> Cel:  # noqa: ARG002 - a rule that looks at no container
        return self.term.cel(f"object.{self.part}")

    def violations(self, pod: Mapping[str, Any]) -> Iterator[str]:
        yield from self.term.broken(pod.get(self.part), self.part)


@dataclass(frozen=True, slots=True)
class OnContainers(Rule):
    """A condition on every container."""

    term: Term

    def cel(self, containers: str) -> Cel:
        return every(containers, "container", self.term.cel("container"))

    def violations(self, pod: Mapping[str, Any]) -> Iterator[str]:
        for path, container in containers_of(pod):
            yield from self.term.broken(container, path)


@dataclass(frozen=True, slots=True)
class PodOrContainers(Rule):
    """A field of the pod that containers inherit: right on the pod, or on every container, and wrong nowhere."""

    path: str
    term: Term

    def cel(self, containers: str) -> Cel:
        field = At(self.path, self.term)
        own = At(self.path, self.term, required=True).cel("container")
        inherited = all_of(Cel(f"!({field.present('container').text})"), field.present(_SPEC))
        return all_of(field.cel(_SPEC), every(containers, "container", any_of(own, inherited)))

    def violations(self, pod: Mapping[str, Any]) -> Iterator[str]:
        field = At(self.path, self.term)
        spec = pod.get("spec")
        yield from field.broken(spec, "spec")
        inherited = field.found(spec) is not None  # one that is wrong is to blame itself, not who inherits it
        for path, container in containers_of(pod):
            if field.found(container) is not None:
                yield from field.broken(container, path)
            elif not inherited:
                yield field.lacking(path)


@dataclass(frozen=True, slots=True)
class ContainerAnnotations(Rule):
    """A condition on the annotations named after a container: `prefix`, then its name."""

    prefix: str
    term: Term

    def cel(self, containers: str) -> Cel:
        key = f"({cel_string(self.prefix)} + container.name)"
        lacking = any_of(Cel(f"!has({_ANNOTATIONS})"), Cel(f"!({key} in {_ANNOTATIONS})"))
        return every(containers, "container", any_of(lacking, self.term.cel(entry(_ANNOTATIONS, key))))

    def violations(self, pod: Mapping[str, Any]) -> Iterator[str]:
        annotations = entries_of(entries_of(pod.get("metadata")).get("annotations"))
        for _, container in containers_of(pod):
            key = f"{self.prefix}{container.get('name')}"
            if annotations.get(key) is not None:
                yield from self.term.broken(annotations[key], f"metadata.annotations[{key}]")


@dataclass(frozen=True, slots=True)
class Together(Rule):
    """Several rules at once."""

    rules: tuple[Rule, ...]

    def cel(self, containers: str) -> Cel:
        return all_of(*(rule.cel(containers) for rule in self.rules))

    def violations(self, pod: Mapping[str, Any]) -> Iterator[str]:
        for rule in self.rules:
            yield from rule.violations(pod)


@dataclass(frozen=True, slots=True)
class Unless(Rule):
    """A rule that does not concern pods whose spec meets `exempt`."""

    exempt: Term
    rule: Rule

    def cel(self, containers: str) -> Cel:
        return any_of(self.exempt.cel(_SPEC), self.rule.cel(containers))

    def violations(self, pod: Mapping[str, Any]) -> Iterator[str]:
        if any(self.exempt.broken(pod.get("spec"), "spec")):
            yield from self.rule.violations(pod)


def on_spec(term: Term) -> Rule:
    """A condition on the pod's spec."""
    return OnPart("spec", term)


def pod_and_containers(term: Term) -> Rule:
    """A condition on the pod's spec and likewise on every container, such as on their `securityContext`."""
    return Together((on_spec(term), OnContainers(term)))


def containers_of(pod: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every container with its path."""
    spec = entries_of(pod.get("spec"))
    for name in CONTAINER_LISTS:
        for index, container in enumerate(items_of(spec.get(name))):
            yield f"spec.{name}[{index}]", entries_of(container)
