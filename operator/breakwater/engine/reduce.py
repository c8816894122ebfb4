"""What is kept of an object while decoding: memory is spent on what plans read."""

from __future__ import annotations

from breakwater.cluster.informer import folded, without_managers
from breakwater.kernel.reading import Manifest

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def made_by_us(manifest: Manifest) -> Manifest:
    """An object that is, or may become, ours: everything, and who wrote which fields."""
    metadata = {
        **manifest["metadata"],
        "managedFields": folded(manifest["metadata"].get("managedFields"), details=True),
    }
    annotations = metadata.get("annotations")
    if annotations and LAST_APPLIED in annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    return {**manifest, "metadata": metadata}


def metadata_only(manifest: Manifest) -> Manifest:
    """Only names, labels and annotations matter."""
    return {"metadata": without_managers(manifest)["metadata"]}
