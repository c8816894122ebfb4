"""What a zone becomes in each engine's words: a folder a case, `zone.yaml` and `ingress.yaml` in, `expected.yaml` out.

A new case is a folder with the two inputs; `python -m tests.unit.zones.test_dialects` writes what is expected, to be
read before it is committed. With each annotation stands the first version of the engine that knows it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from breakwater.kernel.reading import Entry
from breakwater.zones.dialects import DIALECTS
from breakwater.zones.dialects.dialect import Dialect
from breakwater.zones.ingress import INGRESS_FACTS, Ingress, reduced
from breakwater.zones.kind import SecurityZoneSpec
from breakwater.zones.wishes import Feature, Hsts, Redirect, Setting

GOLDEN = Path(__file__).parent / "golden"
ENGINES: dict[str, Dialect] = {
    "f5": DIALECTS["nginx.org/ingress-controller"],
    "traefik": DIALECTS["traefik.io/ingress-controller"],
}
CASES = sorted(path for path in GOLDEN.glob("*/*") if path.is_dir())


def ingress_of(path: Path) -> Ingress:
    manifest = yaml.safe_load(path.read_text())
    manifest["metadata"].setdefault("namespace", "bpm")
    return Entry.of(reduced(manifest)).project(INGRESS_FACTS)


def settings_of(path: Path) -> dict[Feature, Setting]:
    spec = SecurityZoneSpec.read({"ingressSelector": {}, **yaml.safe_load(path.read_text())})
    wanted: dict[Feature, Setting] = {}
    if spec.https_redirect.enabled:
        wanted[Feature.HTTPS_REDIRECT] = Redirect(int(spec.https_redirect.status_code))
    if spec.hsts.enabled:
        wanted[Feature.HSTS] = Hsts(spec.hsts.max_age, spec.hsts.include_sub_domains, spec.hsts.preload)
    return wanted


def rendered(case: Path) -> dict[str, Any]:
    dialect = ENGINES[case.parent.name]
    written = dialect.write(ingress_of(case / "ingress.yaml"), settings_of(case / "zone.yaml"))
    found: dict[str, Any] = {}
    for feature, said in sorted(written.said.items()):
        entry: dict[str, Any] = {"state": said.state.value}
        entry |= {"detail": said.detail} if said.detail else {}
        annotations = written.annotations.get(feature, {})
        if annotations:
            known = dialect.keys[feature]
            entry["annotations"] = {key: {"value": value, "since": known[key]} for key, value in annotations.items()}
        companion = written.companions.get(feature)
        if companion:
            entry["companion"] = {"kind": companion.ref.resource.kind, "name": companion.ref.name}
            entry["companion"] |= {"spec": dict(companion.spec), "link": companion.link}
        found[feature.value] = entry
    return found


def test_every_engine_has_cases() -> None:
    assert {case.parent.name for case in CASES} == set(ENGINES)
    assert {dialect.controller for dialect in ENGINES.values()} == set(DIALECTS)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.parent.name}-{case.name}" for case in CASES])
def test_a_zone_in_the_words_of_its_engine(case: Path) -> None:
    assert rendered(case) == yaml.safe_load((case / "expected.yaml").read_text())


if __name__ == "__main__":
    for each in CASES:
        text = yaml.safe_dump(rendered(each), sort_keys=False, width=110)
        (each / "expected.yaml").write_text(text)
