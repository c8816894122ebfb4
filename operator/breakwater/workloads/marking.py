"""Marks of Secrets' contents that may be shown: keyed, so that a password cannot be guessed from one.

The key lies in a Secret of the operator. With another key nothing that was marked before can be compared, and nothing
is restarted over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2s

from breakwater.certificates.keypair import secret_data
from breakwater.kernel.ownership import MARK
from breakwater.kernel.reading import Manifest, Present, Projection
from breakwater.kernel.references import SECRET, Ref, Subject
from breakwater.kernel.sealed import Sealed
from breakwater.kernel.world import World

RESTARTS = Subject("Restarts", "", "all")
SECRET_NAME = "restart-marks"  # noqa: S105 - a name
KEY = "password"
"""Made by the recipe for passwords: 64 characters are more than the 256 bits that a key needs."""
KEY_LENGTH = 64
_ID, _MARK = 4, 16


def _key(manifest: Manifest) -> Sealed | None:
    data = secret_data(manifest).get(KEY, b"")
    return Sealed(data) if len(data) >= KEY_LENGTH // 2 else None


MARKING_KEY: Projection[Sealed | None] = Projection("marking-key", _key)


def key_secret(world: World) -> Ref:
    """Where the key lies."""
    return Ref(SECRET, world.settings.namespace, SECRET_NAME)


def marking_key(world: World) -> Sealed | None:
    """The key; None while there is none of ours."""
    ref = key_secret(world)
    mark = world.metadata(ref, MARK)
    if not isinstance(mark, Present) or mark.value is None or mark.value.subject != RESTARTS:
        return None
    reading = world.get(ref, MARKING_KEY)
    return reading.value if isinstance(reading, Present) else None


def mark_of(content: Sealed, key: Sealed) -> str:
    """The mark of a content: which key it was made with, and what of."""
    return _id_of(key) + content.fingerprint(key.open())[:_MARK]


def comparable(marks: Mapping[str, str], key: Sealed) -> dict[str, str]:
    """Those that were made with this key."""
    own = _id_of(key)
    return {name: mark for name, mark in marks.items() if mark.startswith(own) and len(mark) == _ID + _MARK}


def _id_of(key: Sealed) -> str:
    return Sealed(b"which key").fingerprint(key.open())[:_ID]


def record_of(marks: Mapping[str, str]) -> str:
    """Marks as an annotation holds them."""
    return ",".join(f"{name}={mark}" for name, mark in sorted(marks.items()))


def read_record(text: str) -> dict[str, str]:
    """Read back what `record_of` wrote; anything else is nothing."""
    pairs = (item.partition("=") for item in text.split(",") if item)
    return {name: mark for name, equals, mark in pairs if equals}


def token_of(record: str) -> str:
    """A short name for a record, for annotations that people copy."""
    return blake2s(record.encode(), digest_size=6).hexdigest() if record else ""


def ordered_fact(workload: Subject) -> tuple[str, Subject]:
    """The fact that holds the token of the last restart that this process has ordered."""
    return ("ordered", workload)
