from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import pprint
import subprocess
import sys
import traceback

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwater.kernel.sealed import Sealed

CANARY = b"canary-5f2c-value"
KEY = bytes(range(32))


@dataclasses.dataclass(frozen=True)
class Holder:
    box: Sealed


def shown(render: object) -> str:
    try:
        return str(render() if callable(render) else render)
    except Exception:  # noqa: BLE001  # whatever a renderer raises is what would be logged
        return traceback.format_exc()


@pytest.mark.parametrize(
    "render",
    [
        repr,
        str,
        "{}".format,
        "{!r:>40}".format,
        "{:>40}".format,
        "{:d}".format,
        pprint.pformat,
        lambda box: "%s %r" % (box, box),  # noqa: UP031  # how the logging module formats
        lambda box: repr(Holder(box)),
        lambda box: dataclasses.asdict(Holder(box)),
        lambda box: json.dumps({"box": box}),
        lambda box: json.dumps({"box": box}, default=str),
        lambda box: orjson.dumps(Holder(box)),
        lambda box: orjson.dumps(Holder(box), default=str),
        pickle.dumps,
        lambda box: pickle.dumps(Holder(box), protocol=0),
        lambda box: box.__getstate__(),
        vars,
        dir,
        bytes,
        list,
        lambda box: box + b"",
        lambda box: setattr(box, "_Sealed__content", b""),
        lambda _: Sealed(CANARY.decode()),  # type: ignore[arg-type]
        lambda _: Sealed(bytearray(CANARY)),  # type: ignore[arg-type]
    ],
)
def test_no_rendering_shows_the_content_or_its_length(render: object) -> None:
    box = Sealed(CANARY)
    text = shown(lambda: render(box))  # type: ignore[operator]
    assert CANARY.decode() not in text
    assert CANARY.hex() not in text
    assert str(len(CANARY)) not in repr(box)


@pytest.mark.parametrize("serialise", [pickle.dumps, json.dumps, orjson.dumps, lambda box: box.__getstate__()])
def test_serialisation_is_refused(serialise: object) -> None:
    with pytest.raises(TypeError):
        serialise(Sealed(CANARY))  # type: ignore[operator]


def test_asdict_and_copies_keep_the_box_closed() -> None:
    box = Sealed(CANARY)
    assert copy.copy(box) is box
    assert copy.deepcopy({"a": [box]})["a"][0] is box
    assert dataclasses.asdict(Holder(box)) == {"box": box}


def test_the_content_cannot_be_exchanged() -> None:
    box = Sealed(CANARY)
    with pytest.raises(AttributeError):
        box._Sealed__content = b"other"
    with pytest.raises(AttributeError):
        del box._Sealed__content  # type: ignore[attr-defined]
    assert box.open() == CANARY


@given(st.binary(), st.binary())
def test_boxes_compare_and_deduplicate_by_content(one: bytes, other: bytes) -> None:
    assert (Sealed(one) == Sealed(other)) is (one == other)
    assert len({Sealed(one), Sealed(one), Sealed(other)}) == len({one, other})
    assert Sealed(one) != one


def test_the_hash_is_worthless_in_another_process() -> None:
    script = f"from breakwater.kernel.sealed import Sealed; print(hash(Sealed({CANARY!r})))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert int(run.stdout) != hash(Sealed(CANARY))


def test_the_fingerprint_depends_on_content_and_key_only() -> None:
    mark = Sealed(CANARY).fingerprint(KEY)
    assert mark == Sealed(bytes(CANARY)).fingerprint(KEY)
    assert mark != Sealed(CANARY + b"x").fingerprint(KEY)
    assert mark != Sealed(CANARY).fingerprint(KEY[::-1])


def test_a_guessable_fingerprint_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        Sealed(CANARY).fingerprint(b"short")
