from __future__ import annotations

from pathlib import Path

from breakwater.cli.catalogue import KINDS
from breakwater.kernel.crd import check, render_crds, write

CRDS = Path(__file__).parents[3] / "crds"


def test_the_committed_crds_and_their_reference_are_what_the_kinds_say() -> None:
    assert check(CRDS, KINDS) == []


def test_writing_mends_every_drift_and_the_message_holds_the_command(tmp_path: Path) -> None:
    crds = tmp_path / "crds"
    assert {path.name for path in write(crds, KINDS)} == set(render_crds(KINDS))
    assert write(crds, KINDS) == []

    changed, gone, left = crds / "README.md", crds / "communicationchannels.yaml", crds / "forgottenkinds.yaml"
    left.write_text((crds / "certificateauthorities.yaml").read_text())
    changed.write_text("edited by hand")
    gone.unlink()
    (crds / "kustomization.yaml").write_text("resources: []\n")

    messages = check(crds, KINDS)
    assert [message.split(" ")[0] for message in messages] == [f"crds/{path.name}" for path in (changed, gone, left)]
    assert all("run `breakwater crds --write crds`" in message for message in messages)

    assert write(crds, KINDS) == [changed, gone, left]
    assert check(crds, KINDS) == []
    assert (crds / "kustomization.yaml").read_text() == "resources: []\n", "files of others stay"
