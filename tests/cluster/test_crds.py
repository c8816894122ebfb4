from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.controlplane import KubectlError
from tests.kinds_bad_inputs import AUTHORITY, BAD_INPUTS, BASES, BadInput, merged

if TYPE_CHECKING:
    from tests.controlplane import Cluster

ROOT = Path(__file__).parents[2]
CRDS = sorted((ROOT / "crds").glob("*.yaml"))
SAMPLES = ROOT / "tests/unit/kinds/samples"
GOOD = sorted((SAMPLES / "good").glob("*.yaml"))


@pytest.fixture(scope="session")
def crds(controlplane: Cluster) -> Cluster:
    for path in CRDS:
        controlplane.apply(path)
    controlplane.kubectl("wait", "crd", "-l", "app.kubernetes.io/part-of=breakwater", "--for=condition=Established")
    return controlplane


def dry_run(cluster: Cluster, manifest: dict[str, Any]) -> dict[str, Any]:
    text = yaml.safe_dump(manifest)
    answer = cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-o", "yaml", "-f", "-", input=text)
    created: dict[str, Any] = yaml.safe_load(answer)
    return created


def refusal(cluster: Cluster, manifest: dict[str, Any]) -> str:
    with pytest.raises(KubectlError) as caught:
        dry_run(cluster, manifest)
    return str(caught.value)


def authority(name: str, **change: Any) -> dict[str, Any]:
    spec = merged(BASES[AUTHORITY], change)
    return {"apiVersion": "breakwater.dev/v1alpha1", "kind": AUTHORITY, "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.stem)
def test_the_api_server_serves_each_crd_and_finds_its_schema_structural(crds: Cluster, path: Path) -> None:
    name = yaml.safe_load(path.read_text())["metadata"]["name"]
    conditions = {item["type"]: item["status"] for item in crds.get("crd", name)["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.stem)
def test_the_api_server_keeps_every_word_of_a_crd(crds: Cluster, path: Path) -> None:
    written = yaml.safe_load(path.read_text())
    (stored,) = crds.get("crd", written["metadata"]["name"])["spec"]["versions"]
    assert stored == written["spec"]["versions"][0]


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_samples_are_accepted(crds: Cluster, path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text()):
        accepted = dry_run(crds, manifest)["spec"]
        assert merged(accepted, manifest["spec"]) == accepted


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.id)
def test_a_mistake_is_refused_at_apply_with_its_field_and_remedy(crds: Cluster, bad: BadInput) -> None:
    said = refusal(crds, bad.manifest)
    assert bad.field in said
    assert bad.message in said
    assert "evaluating rule" not in said


@pytest.mark.parametrize("kind", BASES)
def test_the_base_of_the_bad_inputs_is_good(crds: Cluster, kind: str) -> None:
    dry_run(crds, BadInput("base", kind, {}, "", "").manifest)


def test_defaults_are_stored_with_the_object(crds: Cluster) -> None:
    spec = dry_run(crds, authority("defaulted"))["spec"]
    assert spec == {
        "mode": "Enforce",
        "source": {"selfManaged": {}},
        "algorithm": "ECDSA-P256",
        "lifetime": "87600h",
        "leafLifetime": {"default": "2160h", "maximum": "9528h"},
    }
    spec = dry_run(crds, BadInput("defaulted", "CommunicationChannel", {"probe": {"interval": "1m"}}, "", "").manifest)[
        "spec"
    ]
    assert spec["probe"] == {"interval": "1m", "negativeInterval": "24h"}
    assert spec["encryption"]["minimumVersion"] == "TLSv1.2"
    assert spec["encryption"]["cipherProfile"] == "Intermediate"
    assert spec["deletionPolicy"] == "Retain"
    assert spec["endpoint"] == {"host": "db.bpm.svc"}, "port and security follow from the protocol, they are not stored"


def test_an_authority_cannot_move_to_another_kind_of_source(crds: Cluster) -> None:
    crds.apply(authority("moving"))
    try:
        crds.apply(authority("moving", algorithm="ECDSA-P384", lifetime="43800h"))
        with pytest.raises(KubectlError, match=r"spec\.source: .*create a new CertificateAuthority"):
            crds.kubectl(
                "replace",
                "--dry-run=server",
                "-f",
                "-",
                input=yaml.safe_dump(authority("moving", source={"selfManaged": None, "csr": {}})),
            )
    finally:
        crds.kubectl("delete", "bwca", "moving")


@pytest.mark.parametrize("kind", BASES)
def test_every_word_of_a_full_status_is_kept(crds: Cluster, kind: str) -> None:
    manifest = BadInput("reported", kind, {}, "", "").manifest
    status = yaml.safe_load((SAMPLES / "status" / f"{kind}.yaml").read_text())
    crds.apply(manifest)
    try:
        patch = json.dumps({"status": status})
        crds.kubectl("patch", kind, "reported", "-n", "default", "--subresource=status", "--type=merge", "-p", patch)
        assert crds.get(kind, "reported", "-n", "default")["status"] == status
    finally:
        crds.kubectl("delete", kind, "reported", "-n", "default")


def test_a_name_that_is_no_label_value_is_refused(crds: Cluster) -> None:
    assert "metadata.name" in refusal(crds, authority("n" * 64))
    dry_run(crds, authority("n" * 63))


def test_short_names_category_and_columns_reach_kubectl(crds: Cluster) -> None:
    crds.apply(authority("listed"))
    try:
        assert crds.kubectl("get", "bwca").split()[:4] == ["NAME", "READY", "REASON", "AGE"]
        assert "certificateauthority.breakwater.dev/listed" in crds.kubectl("get", "breakwater", "-A", "-o", "name")
    finally:
        crds.kubectl("delete", "bwca", "listed")
