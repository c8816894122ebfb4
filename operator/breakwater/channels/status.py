"""What the operator found and did for a channel."""

from typing import Annotated

from pydantic import Field

from breakwater.kernel.durable import MeasurementStatus
from breakwater.kernel.fields import Fingerprint, Flag, Generation, Instant, Word
from breakwater.kernel.kind import StatusModel
from breakwater.kernel.model import Model
from breakwater.kernel.rules import Items
from breakwater.pki.requests import Usage


class Binding(Model):
    """The Secret from which applications read the connection, by the Service Binding specification."""

    name: Word
    """Name of the Secret."""


class CertificateStatus(Model):
    """A certificate of this channel, from its bytes."""

    use: Usage
    """Which end shows it."""
    serial: Annotated[str, Field(max_length=64)] = ""
    """Serial number, hexadecimal."""
    fingerprint: Fingerprint = ""
    """SHA-256 of the certificate."""
    not_before: Instant | None = None
    """Start of its validity."""
    not_after: Instant | None = None
    """End of its validity."""
    renew_at: Instant | None = None
    """When it will be renewed; absent where others keep it, and where it ends with its authority."""
    schedule: Word = ""
    """The RotationSchedule by which it is renewed, as namespace/name; empty: its authority's, or two thirds."""
    outside_windows: Flag = False
    """True where the schedule does not come round before it ends; it is renewed in time all the same."""
    note: Annotated[str, Field(max_length=256)] = ""
    """What of the schedule does not come round."""
    authority: Word = ""
    """The authority that issued it; empty where others keep it."""
    secret_name: Word = ""
    """Secret that holds it."""
    generation: Generation = 0
    """How many keys there have been."""


class CredentialStatus(Model):
    """A password of this channel; never the password itself."""

    name: Word
    """What it is for."""
    secret_name: Word = ""
    """Secret that holds it."""
    generated_at: Instant | None = None
    """When Breakwater made it; absent where others keep it."""


class ConsumerStatus(Model):
    """A workload that uses the channel's Secrets."""

    kind: Word
    """Kind of the workload."""
    name: Word
    """Name of the workload."""
    declared: Flag = False
    """Whether `spec.consumers` names it."""
    secrets: Annotated[tuple[Word, ...], Items(16)] = ()
    """Secrets of the channel that its pods use."""
    state: Word = ""
    """How it stands to them: Current, Waiting, Due, Restarting, Failed, Halted or Erased."""
    message: Annotated[str, Field(max_length=2048)] = ""
    """Why, and what to do."""
    content: Annotated[dict[str, Annotated[str, Field(max_length=64)]], Field(max_length=16)] = Field(
        default_factory=dict
    )
    """The content that its pods are known to run with, by Secret, as a mark that tells nothing without a key."""
    ordered: Annotated[str, Field(max_length=64)] = ""
    """The last restart that was seen on it."""
    halted: Annotated[str, Field(max_length=64)] = ""
    """The last restart that did not come back."""


class CommunicationChannelStatus(StatusModel):
    """A flow as it was found."""

    binding: Binding | None = None
    """The binding Secret."""
    certificates: Annotated[tuple[CertificateStatus, ...], Items(8, keys=("use",))] = ()
    """Certificates of both ends."""
    credentials: Annotated[tuple[CredentialStatus, ...], Items(8, keys=("name",))] = ()
    """Passwords, by what they are for."""
    measurements: Annotated[tuple[MeasurementStatus, ...], Items(32, keys=("name",))] = ()
    """The last measurements, with their validity."""
    consumers: Annotated[tuple[ConsumerStatus, ...], Items(64, keys=("kind", "name"))] = ()
    """Workloads found using the Secrets, and those declared."""
