"""Objects of one type as one stream of events delivers them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from breakwater.kernel.reading import ABSENT, NOT_SYNCED, Entry, Present, Reading, Unknown
from breakwater.kernel.references import Ref, Resource

EVERYWHERE = ""
TOMBSTONES = 4096


class Store:
    """A cache that knows what it does not know.

    A scope is a namespace, or EVERYWHERE; each is synced by a list of its own, and until then its absent objects are
    Unknown rather than Absent.
    """

    def __init__(self, resource: Resource, scopes: Iterable[str] = (EVERYWHERE,)) -> None:
        self.resource = resource
        self._namespaces: dict[str, dict[str, Entry]] = {}
        self._gaps: dict[str, Unknown | None] = dict.fromkeys(scopes, NOT_SYNCED)
        self._buried: OrderedDict[str, int] = OrderedDict()

    def read(self, ref: Ref) -> Reading[Entry]:
        """The object, its absence, or why neither can be told."""
        entry = self.entry(ref)
        if entry is not None:
            return Present(entry)
        return self.gap(ref.namespace) or ABSENT

    def entry(self, ref: Ref) -> Entry | None:
        """The object, if it is here."""
        return self._namespaces.get(ref.namespace, {}).get(ref.name)

    def gap(self, namespace: str | None) -> Unknown | None:
        """Why this namespace (None: any) is not fully known; None when it is."""
        if namespace is None:
            return next((gap for gap in self._gaps.values() if gap is not None), None)
        if EVERYWHERE in self._gaps:
            return self._gaps[EVERYWHERE]
        return self._gaps.get(namespace, Unknown("NotServed", f"this operator does not serve namespace {namespace}"))

    @property
    def is_listed(self) -> bool:
        """Whether each scope was listed, or cannot be for a reason of its own."""
        return all(gap is None or gap.reason != NOT_SYNCED.reason for gap in self._gaps.values())

    def close(self, scope: str, gap: Unknown | None) -> bool:
        """Record what is known of a scope; returns whether that changed."""
        changed = self._gaps.get(scope) != gap
        self._gaps[scope] = gap
        return changed

    def items(self, namespace: str | None = None) -> Iterator[tuple[Ref, Entry]]:
        """All objects, or those of one namespace."""
        chosen = self._namespaces if namespace is None else {namespace: self._namespaces.get(namespace, {})}
        for place, entries in chosen.items():
            for name, entry in entries.items():
                yield Ref(self.resource, place, name), entry

    def put(self, ref: Ref, entry: Entry) -> bool:
        """Keep a version unless a later one, or the object's end, was seen already; returns whether it was kept."""
        if not self.is_news(ref, entry):
            return False
        self._namespaces.setdefault(ref.namespace, {})[ref.name] = entry
        return True

    def is_news(self, ref: Ref, entry: Entry) -> bool:
        """Whether neither this version nor a later one, nor the object's end, was seen already."""
        held = self.entry(ref)
        if held is not None and held.version >= entry.version:
            return False
        return self._buried.get(entry.uid, -1) < entry.version

    def drop(self, ref: Ref, uid: str, version: int) -> bool:
        """Forget an object; an event of an older incarnation does not touch a newer one."""
        self._bury(uid, version)
        held = self.entry(ref)
        if held is None or (uid and held.uid != uid):
            return False
        entries = self._namespaces[ref.namespace]
        del entries[ref.name]
        if not entries:
            del self._namespaces[ref.namespace]
        return True

    def missing(self, scope: str, listed: Iterable[Ref], version: int) -> list[tuple[Ref, Entry]]:
        """What stands here and not in a complete list of that version: deletions that no event told of.

        What was written after the list was taken is not missing, only newer.
        """
        names = set(listed)
        held = self.items(None if scope == EVERYWHERE else scope)
        return [(ref, entry) for ref, entry in held if ref not in names and entry.version <= version]

    def _bury(self, uid: str, version: int) -> None:
        if not uid:
            return
        self._buried[uid] = max(version, self._buried.get(uid, 0))
        self._buried.move_to_end(uid)
        while len(self._buried) > TOMBSTONES:
            self._buried.popitem(last=False)
