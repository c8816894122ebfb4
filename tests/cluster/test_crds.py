from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from breakwater.certificates import kind as certificates
from breakwater.certificates import rotation
from breakwater.channels import kind as channels
from breakwater.kernel.model import InvalidModelError
from breakwater.zones import kind as zones
from tests.controlplane import KubectlError
from tests.kinds_bad_inputs import AUTHORITY, BAD_INPUTS, BASES, CHANNEL, SCHEDULE, BadInput, merged

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.controlplane import Cluster

ROOT = Path(__file__).parents[2]
CRDS = sorted(path for path in (ROOT / "crds").glob("*.yaml") if "kind: CustomResourceDefinition" in path.read_text())
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


def _authority(**change: Any) -> tuple[str, dict[str, Any]]:
    return AUTHORITY, change


def _channel(**change: Any) -> tuple[str, dict[str, Any]]:
    return CHANNEL, change


def _schedule(**change: Any) -> tuple[str, dict[str, Any]]:
    return SCHEDULE, change


def _grant(**fields: Any) -> tuple[str, dict[str, Any]]:
    grant = {"name": "a", "namespaceSelector": {}, "usages": ["Server", "Client"], "commonNames": ["a"]}
    return _authority(usableFrom=[{**grant, **fields}])


DNS, ADDRESS, DURATION, CRON = "aB0.-*_:\n", "0127af:.%", "0139hmsd.-", "0*/, L\t"
MINUTE = "0159*"
WORDS = "aZ0 ._-@=,'\"/\\\n\u00e4\u2028"
BUILDERS: list[tuple[str, int, Callable[[str], tuple[str, dict[str, Any]]]]] = [
    (DNS, 8, lambda text: _channel(endpoint={"host": text})),
    (ADDRESS, 12, lambda text: _channel(endpoint={"host": text})),
    (ADDRESS, 5, lambda text: _channel(endpoint={"host": f"::{text}"})),
    (DNS, 8, lambda text: _channel(endpoint={"serverName": text})),
    (DNS, 8, lambda text: _channel(output={"secretName": text})),
    (DNS, 8, lambda text: _grant(dnsNames=[text])),
    (DNS, 8, lambda text: _grant(dnsNames=[f"*.{text}.com"])),
    (DNS, 4, lambda text: _grant(name=text)),
    (DURATION, 5, lambda text: _channel(probe={"interval": text})),
    (DURATION, 5, lambda text: _authority(lifetime="262800h", leafLifetime={"default": "1m", "maximum": text})),
    (WORDS, 6, lambda text: _channel(authentication={"password": {"generate": {"username": text}}})),
    (WORDS, 6, lambda text: _grant(commonNames=[text])),
    (WORDS, 4, lambda text: _channel(output={"keys": {text: "username"}})),
    (WORDS, 4, lambda text: _grant(namespaceSelector={"matchLabels": {text: "a"}})),
    (WORDS, 4, lambda text: _grant(namespaceSelector={"matchLabels": {"a": text}})),
    (WORDS, 6, lambda text: _authority(rotation={"reason": text})),
    (CRON, 12, lambda text: _schedule(renewal={"schedule": {"cron": text}})),
    (MINUTE, 2, lambda text: _schedule(renewal={"schedule": {"cron": f"{text} * * * *"}})),
    (MINUTE, 2, lambda text: _schedule(renewal={"schedule": {"cron": f"0 0 {text} * *"}})),
    (CRON, 12, lambda text: _authority(renewal={"renewal": {"schedule": {"cron": text}}})),
    (DURATION, 5, lambda text: _schedule(windows=[{"cron": "0 2 * * 6", "duration": f"1h{text}"}])),
    (MINUTE, 3, lambda text: _schedule(renewal={"before": f"{text}h"})),
    (MINUTE, 3, lambda text: _schedule(overlap=f"{text}h")),
    (MINUTE, 3, lambda text: _schedule(restarts={"minReady": f"{text}s"})),
]
MODELS = {kind.resource.kind: kind.spec for kind in (channels.KIND, certificates.KIND, rotation.KIND, zones.KIND)}


def _generated(source: random.Random, number: int) -> dict[str, Any]:
    alphabet, longest, build = BUILDERS[number % len(BUILDERS)]
    kind, change = build("".join(source.choices(alphabet, k=source.randint(1, longest))))
    return BadInput(f"generated-{number}", kind, change, "", "").manifest


def test_models_and_api_server_refuse_the_same_texts(crds: Cluster) -> None:
    source = random.Random(20270131)  # noqa: S311  # the same texts each time
    manifests = [_generated(source, number) for number in range(25 * len(BUILDERS))]
    refused = _refused_by_server(crds, manifests)
    assert len(manifests) // 10 < len(refused) < len(manifests) * 9 // 10, "neither verdict may be rare"
    for manifest in manifests:
        by_server = manifest["metadata"]["name"] in refused
        assert _refused_by_model(manifest) == by_server, (manifest["spec"], refused.get(manifest["metadata"]["name"]))


def _refused_by_model(manifest: dict[str, Any]) -> bool:
    try:
        MODELS[manifest["kind"]].read_strictly(manifest["spec"])
    except InvalidModelError:
        return True
    return False


def _refused_by_server(cluster: Cluster, manifests: list[dict[str, Any]]) -> dict[str, str]:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    try:
        cluster.kubectl("create", "--dry-run=server", "-f", "-", input=text)
    except KubectlError as error:
        said = str(error)
    else:
        return {}
    parts = re.split(r'Error from server \(Invalid\): .* "(generated-\d+)" is invalid', said)
    assert not any("Error from server" in part for part in parts), "only validation may refuse"
    return dict(zip(parts[1::2], parts[2::2], strict=True))
