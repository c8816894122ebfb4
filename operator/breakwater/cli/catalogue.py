"""What this version is made of: the rooms' kinds, the types they read, their indexes and probers."""

from __future__ import annotations

from functools import partial

from breakwater.certificates import kind as certificate_authority
from breakwater.certificates import plan as authority_plan
from breakwater.certificates import rotation, schedule, trust
from breakwater.certificates.keypair import LEAVES
from breakwater.channels import kind as communication_channel
from breakwater.channels import plan as channel_plan
from breakwater.channels.probing import probe
from breakwater.channels.reduced import node, pod, service, slice_
from breakwater.cluster.informer import without_managers
from breakwater.engine.catalogue import Catalogue, SubjectKind
from breakwater.engine.reduce import made_by_us, metadata_only
from breakwater.hardening import facts as hardening_facts
from breakwater.hardening import kind as hardening_policy
from breakwater.hardening import plan as hardening_plan
from breakwater.hardening import templates as hardening_templates
from breakwater.kernel import durable
from breakwater.kernel.kind import Kind
from breakwater.kernel.ownership import OWNED
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import (
    ADMISSION,
    CERTIFICATE_AUTHORITY,
    CLUSTER_TRUST_BUNDLE,
    COMMUNICATION_CHANNEL,
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    ENDPOINT_SLICE,
    HARDENING_POLICY,
    INGRESS,
    INGRESS_CLASS,
    MIDDLEWARE,
    NAMESPACE,
    NODE,
    POD,
    POD_DISRUPTION_BUDGET,
    ROTATION_SCHEDULE,
    SECRET,
    SECURITY_ZONE,
    SERVICE,
)
from breakwater.probes.request import NegativeProbe, TlsProbe
from breakwater.probes.web import WebProbe
from breakwater.workloads import consumers, marking, restarts, target, workload
from breakwater.zones import ingress, links, record, route
from breakwater.zones import kind as security_zone
from breakwater.zones import plan as zone_plan
from breakwater.zones import proof as zone_proof

KINDS: tuple[Kind, ...] = (
    certificate_authority.KIND,
    communication_channel.KIND,
    rotation.KIND,
    security_zone.KIND,
    hardening_policy.KIND,
)


def catalogue() -> Catalogue:
    """Everything that the engine is to run."""
    kinds = (
        SubjectKind("CertificateAuthority", authority_plan.plan, CERTIFICATE_AUTHORITY),
        SubjectKind("CommunicationChannel", channel_plan.plan, COMMUNICATION_CHANNEL, seed=durable.seed),
        SubjectKind("RotationSchedule", schedule.plan, ROTATION_SCHEDULE),
        SubjectKind("SecurityZone", zone_plan.plan, SECURITY_ZONE, seed=durable.seed),
        SubjectKind("HardeningPolicy", hardening_plan.plan, HARDENING_POLICY),
        SubjectKind(trust.KIND, trust.plan),
        SubjectKind(workload.KIND, workload.plan),
        SubjectKind(marking.RESTARTS.kind, restarts.plan),
        SubjectKind(ingress.ROUTE, route.plan),
    )
    return Catalogue(
        kinds={kind.name: kind for kind in kinds},
        watched={
            NAMESPACE: without_managers,
            CUSTOM_RESOURCE_DEFINITION: metadata_only,
            CLUSTER_TRUST_BUNDLE: made_by_us,
            SERVICE: service,
            ENDPOINT_SLICE: slice_,
            POD: _pod,
            **dict.fromkeys(ADMISSION, made_by_us),
            NODE: node,
            POD_DISRUPTION_BUDGET: without_managers,
            INGRESS: ingress.reduced,
            INGRESS_CLASS: without_managers,
            MIDDLEWARE: made_by_us,
            **{resource: partial(target.reduced, kind=kind) for kind, resource in consumers.WORKLOADS.items()},
        },
        split=(SECRET, CONFIG_MAP),
        indexes=(
            OWNED,
            LEAVES,
            trust.PLACED,
            schedule.RENEWALS,
            consumers.CONSUMERS,
            hardening_facts.PODS,
            hardening_templates.TEMPLATES,
            record.LEFT,
            links.LINKED,
        ),
        left=(record.LEFT,),
        probers={TlsProbe: probe, NegativeProbe: probe, WebProbe: zone_proof.probe},
        traces={INGRESS: ingress.TRACE, **dict.fromkeys(consumers.WORKLOADS.values(), workload.TRACE)},
    )


def _pod(manifest: Manifest) -> Manifest:
    """What probes need of a pod, and what hardening does."""
    parts = pod(manifest), hardening_facts.reduced(manifest)
    return {key: {**parts[0].get(key, {}), **parts[1].get(key, {})} for key in ("metadata", "spec", "status")}
