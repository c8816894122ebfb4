"""HardeningPolicy: what the pods of the selected namespaces must be, and what is set where they leave it open."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, Strict

from breakwater.hardening.standards import Level
from breakwater.kernel.fields import Flag, Generation, LabelSelector, Sentence, Word
from breakwater.kernel.kind import AGE, READY, REASON, Column, Kind, StatusModel, condition_column
from breakwater.kernel.model import Model
from breakwater.kernel.references import HARDENING_POLICY
from breakwater.kernel.rules import Format, Items, Rule
from breakwater.kernel.settings import Mode

MOST_SHOWN = 64
MOST_FIELDS = 16
HIGHEST_ID = 2**31 - 1

StandardVersion = Annotated[
    str,
    Format(
        r"^(latest|v1\.(0|[1-9][0-9]{0,3}))$",
        8,
        "must be latest or a release of Kubernetes such as v1.37",
    ),
]
Capability = Annotated[
    str,
    Format(r"^[A-Z][A-Z0-9_]*$", 32, "must be ALL or a capability in upper case without CAP_, such as NET_RAW"),
]


class SeccompDefault(StrEnum):
    """The seccomp profile that can be set without knowing the node."""

    RUNTIME_DEFAULT = "RuntimeDefault"


class Profile(Model):
    """A level of the Pod Security Standards in the wording of one release."""

    level: Level
    """Baseline refuses known privilege escalations; Restricted asks for current best practice."""
    version: StandardVersion = "latest"
    """Release of Kubernetes whose wording counts, such as v1.37; latest is the newest that the operator knows."""


class PodDefaults(Model):
    """What is set on a new pod where it says nothing itself; only what stands here is set."""

    run_as_non_root: (
        Annotated[
            Flag,
            Rule(
                cel="self",
                message="must be true: false is what pods have without it; leave it out to set nothing",
                holds=bool,
            ),
        ]
        | None
    ) = None
    """Set on pods all of whose containers are known to run as another user than root: by runAsUser of their own, or by
    the one below. Others are left as they are and listed in status.unknown."""
    run_as_user: (
        Annotated[
            int,
            Strict(),
            Field(ge=0, le=HIGHEST_ID),
            Rule(
                cel="self >= 1",
                message="must be 1 or higher: 0 is root; leave it out to leave the user to pod and image",
                holds=lambda value: value >= 1,
            ),
        ]
        | None
    ) = None
    """User id of all containers that name none; their images must be able to run as this user."""
    fs_group: Annotated[int, Strict(), Field(ge=0, le=HIGHEST_ID)] | None = None
    """Group that owns the pod's volumes."""
    seccomp_profile: SeccompDefault | None = None
    """Seccomp profile of the pod."""
    allow_privilege_escalation: (
        Annotated[
            Flag,
            Rule(
                cel="!self",
                message="must be false: true is what containers have without it; leave it out to set nothing",
                holds=lambda value: not value,
            ),
        ]
        | None
    ) = None
    """Set on containers that are not privileged and do not add SYS_ADMIN, which need it."""
    drop_capabilities: Annotated[tuple[Capability, ...], Items(64, unique=True)] = ()
    """Capabilities that are dropped by containers which say nothing of what they drop."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is set."""
        return self == PodDefaults()


class HardeningPolicySpec(Model):
    """What pods must be."""

    mode: Mode = Mode.OBSERVE
    """Observe judges the pods that run and says what would change; Enforce has the API server set what is missing on
    new pods and refuse those that violate the profile. Before Kubernetes 1.36 the API server sets nothing: Enforce then
    sets it in pod templates, by restarts within their budgets; before 1.30 nothing is refused. Back to Observe nothing
    is written any more: what is in force, named by status.bound, and what stands in templates stays until the policy
    is deleted or enforces something else. The mode label of a namespace does not count for what is bound, or who may
    label one could lift what holds its pods: leave it out by namespaceSelector."""
    suspend: Flag = False
    """True leaves everything as it is; status goes on."""
    namespace_selector: LabelSelector
    """Namespaces whose pods are meant; {} means all. Never kube-system, kube-public, kube-node-lease and the
    operator's own."""
    object_selector: LabelSelector | None = None
    """Pods that are meant, by their labels; absent means all of them. Who may create pods chooses their labels."""
    profile: Profile
    """What pods must be."""
    pod_defaults: PodDefaults = PodDefaults()
    """What is set on new pods where they leave it open; before Kubernetes 1.36 in the templates of Deployments,
    StatefulSets and DaemonSets."""


class PodCounts(Model):
    """Pods by verdict."""

    judged: Generation = 0
    """Pods that are meant and have not ended."""
    conforming: Generation = 0
    """Those that meet the profile as they stand."""
    violating: Generation = 0
    """Those that do not."""
    unknown: Generation = 0
    """Those of which nobody can tell without their image."""


class Violation(Model):
    """A check that the pods of one workload violate."""

    namespace: Word
    """Namespace of the pods."""
    workload: Word
    """What made them, as Kind/name; a pod of its own is Pod/name."""
    pods: Generation
    """How many of its pods."""
    check: Word
    """The check's name in the Pod Security Standards."""
    fields: Annotated[tuple[Sentence, ...], Items(MOST_FIELDS)] = ()
    """The fields that violate it."""


class UnknownPods(Model):
    """Pods of one workload of which nobody can tell."""

    namespace: Word
    """Namespace of the pods."""
    workload: Word
    """What made them, as Kind/name."""
    pods: Generation
    """How many of its pods."""
    reason: Sentence
    """Why, and what would decide it."""


class Change(Model):
    """What Enforce sets on the pods of one workload when they are created anew."""

    namespace: Word
    """Namespace of the pods."""
    workload: Word
    """What made them, as Kind/name."""
    pods: Generation
    """How many of its pods."""
    fields: Annotated[tuple[Sentence, ...], Items(MOST_FIELDS)] = ()
    """Each field with its value."""


class TemplateCounts(Model):
    """Pod templates that are to bear the defaults, where the API server does not set them on pods."""

    meant: Generation = 0
    """Deployments, StatefulSets and DaemonSets that are meant."""
    bearing: Generation = 0
    """Those whose template and pods bear what they should."""


class WaitingTemplate(Model):
    """A workload whose template, or whose pods, do not bear the defaults yet."""

    namespace: Word
    """Namespace of the workload."""
    workload: Sentence
    """As Kind/name."""
    state: Word
    """How its restart stands: Waiting, Due, Restarting, Failed, Halted or Erased."""
    message: Sentence
    """Why, and what to do."""
    ordered: Word = ""
    """Mark of a restart that somebody undid, so that it is not ordered again."""


class HardeningPolicyStatus(StatusModel):
    """How pods stand."""

    bound: Word = ""
    """Name of the admission policies that are in force."""
    pods: PodCounts | None = None
    """How many pods were judged, and how they stand."""
    violations: Annotated[tuple[Violation, ...], Items(MOST_SHOWN)] = ()
    """What violates the profile as it stands, the first of them."""
    unknown: Annotated[tuple[UnknownPods, ...], Items(MOST_SHOWN)] = ()
    """Of what nobody can tell, the first of them."""
    changes: Annotated[tuple[Change, ...], Items(MOST_SHOWN)] = ()
    """What would be set on these pods, the first of them."""
    templates: TemplateCounts | None = None
    """How many pod templates bear the defaults; only where the API server does not set them on pods."""
    waiting: Annotated[tuple[WaitingTemplate, ...], Items(MOST_SHOWN)] = ()
    """Workloads that do not bear them yet, the first of them."""


KIND = Kind(
    resource=HARDENING_POLICY,
    description="What the pods of the selected namespaces must be, and what is set where they leave it open.",
    spec=HardeningPolicySpec,
    status=HardeningPolicyStatus,
    short_names=("harden",),
    columns=(
        READY,
        condition_column("Enforced", "Whether the API server holds new pods to it"),
        Column("Level", ".spec.profile.level", "Level of the Pod Security Standards"),
        Column("Pods", ".status.pods.judged", "How many pods it means", "integer"),
        Column("Violating", ".status.pods.violating", "How many of them violate it", "integer"),
        REASON,
        AGE,
    ),
)
