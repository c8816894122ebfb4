"""A kind: all that the API server, kubectl and people are told about one resource type of ours."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from breakwater.kernel.condition import Status as Verdict
from breakwater.kernel.fields import Generation, Instant, Sentence
from breakwater.kernel.model import Model
from breakwater.kernel.references import Resource
from breakwater.kernel.rules import Items

CATEGORY = "breakwater"
LONGEST_NAME = 63
"""A name becomes a label's value on what is made for the resource."""


class StatusCondition(Model):
    """One judgement, in the form of metav1.Condition."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """What is judged, in CamelCase."""
    status: Verdict
    """Whether it holds; Unknown is never shown as holding."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, in one CamelCase word from the documented list."""
    message: Sentence = ""
    """Why, for people: it names the field and the remedy where there is something to do."""
    observed_generation: Generation = 0
    """Generation of the resource that was judged."""
    last_transition_time: Instant
    """When the status last changed."""


class StatusModel(Model):
    """What every kind reports."""

    observed_generation: Generation = 0
    """Generation of the resource that this status speaks of; behind metadata.generation while work is under way."""
    conditions: Annotated[tuple[StatusCondition, ...], Items(16, keys=("type",))] = ()
    """Judgements. Ready: all that Breakwater provides is in place."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False
    """Shown with `-o wide` only."""


def condition_column(name: str, description: str) -> Column:
    """The status of the condition of that name."""
    return Column(name, f'.status.conditions[?(@.type=="{name}")].status', description)


READY = condition_column("Ready", "Whether all that Breakwater provides is in place")
SECURED = condition_column("Secured", "Whether the flow is encrypted, authenticated, authorized and proven")
REASON = Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why it is Ready or not")
AGE = Column("Age", ".metadata.creationTimestamp", "Time since it was created", "date")


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource type: the declaration from which its CRD and its reference are generated."""

    resource: Resource
    description: str
    spec: type[Model]
    status: type[StatusModel]
    short_names: tuple[str, ...]
    columns: tuple[Column, ...] = (READY, REASON, AGE)

    @property
    def crd_name(self) -> str:
        """Name of its CustomResourceDefinition."""
        return f"{self.resource.plural}.{self.resource.group}"

    @property
    def file_name(self) -> str:
        """Name of its generated manifest."""
        return f"{self.resource.plural}.yaml"
