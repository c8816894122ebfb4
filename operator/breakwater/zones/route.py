"""Route(namespace, ingress): what all zones together want on one Ingress, decided once, written in its engine's words.

The order never makes an engine answer an error in between. A companion is made first, and linked when the engine has
had the time to see it; it goes last, when the engine has had the time to see that nothing links to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from breakwater.kernel.plan import VERSION, Action, ApplyFields, Gone, Plan
from breakwater.kernel.reading import Manifest, Present, Projection, Unknown
from breakwater.kernel.references import INGRESS, Ref, Subject
from breakwater.kernel.world import World
from breakwater.zones import record as recorded
from breakwater.zones.companions import Keeper, Kept
from breakwater.zones.dialects import DIALECTS
from breakwater.zones.dialects.dialect import Dialect, Said, State, Written
from breakwater.zones.ingress import FIELD_MANAGER, INGRESS_FACTS, ZONES, Ingress, NoController, controller_of, listed
from breakwater.zones.record import Asker, Staying, askers, staying
from breakwater.zones.wishes import Decided, Feature, Hsts, Wish, decide

ANNOTATE = "annotate"
MANIFEST: Projection[Manifest] = Projection("companion", lambda manifest: manifest)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One feature on the Ingress: whose wish is done, and how far.

    Attributes:
        decided: None where only zones want it that may not have it done.
    """

    said: Said
    decided: Decided | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is published of a Route.

    Attributes:
        engine: for people; the controller's own name where it is none of ours, empty where nobody can tell.
        why_not: why nothing can be written at all; empty where it can.
        answers: what status codes of a redirected GET mean what was declared.
        adds_preload: whether each Strict-Transport-Security header of the engine carries `preload`.
        outcomes: by feature.
        alone: for its own next plan; see `companions.Keeper`.
    """

    engine: str
    why_not: str = ""
    answers: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    adds_preload: bool = False
    outcomes: Mapping[Feature, Outcome] = field(default_factory=dict)
    alone: Mapping[str, datetime] = field(default_factory=dict)


def plan(subject: Subject, world: World, now: datetime) -> Plan:
    """Decide, write what is missing, take back what nobody wants any more."""
    reading = world.get(Ref(INGRESS, subject.namespace, subject.name), INGRESS_FACTS)
    if not isinstance(reading, Present):
        # Companions go with the Ingress, which owns them.
        return Plan()
    ingress, wishes = reading.value, _wishes(world)
    if ingress.deleting:
        return Plan(value=Standing("", "the Ingress is being deleted") if wishes else None)
    controller = controller_of(ingress, world)
    if isinstance(controller, NoController) and wishes:
        # A class that is being replaced must not strip what stands.
        return Plan(value=Standing("", controller.message))
    dialect = DIALECTS.get(controller) if isinstance(controller, str) else None
    stays = staying(ingress, wishes, world)
    if dialect is None:
        standing = _no_engine(controller) if isinstance(controller, str) else Standing("")
        if stays.features - stays.waiting.keys():
            return Plan(value=standing if wishes else None)
        kept = Kept() if stays.waiting else _swept(subject, ingress, world, now)
        actions = (*kept.actions, *_annotate(ingress, {}, {}, {**stays.gone, **stays.waiting}, world))
        standing = replace(standing, alone=kept.alone)
        return Plan(actions, due=kept.due, value=standing if wishes or kept.alone else None)
    return _Writing(subject, ingress, dialect, world, now, stays).plan(wishes)


def _alone(subject: Subject, world: World) -> Mapping[str, datetime]:
    """What this process has seen before."""
    said = world.fact(("derived", subject))
    return said.value.alone if isinstance(said, Present) and isinstance(said.value, Standing) else {}


def _swept(subject: Subject, ingress: Ingress, world: World, now: datetime) -> Kept:
    """What was made for an engine that does not serve the Ingress any more goes."""
    (other,) = (dialect for dialect in DIALECTS.values() if dialect.companion)
    return Keeper(subject, ingress, other, world, now, _alone(subject, world)).keep(Written({}), ())


def _wishes(world: World) -> tuple[Wish, ...]:
    return tuple(wish for _, wish in sorted(world.askers().items()) if isinstance(wish, Wish))


def _no_engine(controller: str) -> Standing:
    known = " and ".join(sorted(dialect.controller for dialect in DIALECTS.values()))
    return Standing(controller, f"its controller is {controller}; zones are written for {known}")


@dataclass(frozen=True, slots=True)
class _Writing:
    """One Route's plan under way."""

    subject: Subject
    ingress: Ingress
    dialect: Dialect
    world: World
    now: datetime
    stays: Staying

    def plan(self, wishes: tuple[Wish, ...]) -> Plan:
        decided = {feature: self._stepped(item) for feature, item in decide(w for w in wishes if w.enforced).items()}
        held = set(self.stays.features) - decided.keys()
        written = self.dialect.write(self.ingress, {feature: item.setting for feature, item in decided.items()})
        missing = self._not_served(written)
        if missing:
            written = Written({feature: Said(State.UNSUPPORTED, missing) for feature in decided})
        kept = self._companions(written, held)
        wanted = self._annotations(written, held, kept)
        record = self._record(decided, held, written, wanted)
        actions: list[Action] = [*kept.actions, *_annotate(self.ingress, wanted, record, self.stays.gone, self.world)]
        waiting = {feature: zone for feature, zone in self.stays.waiting.items() if feature in held}
        if waiting and not actions:
            # Kept back until somebody permits it, and visible as such.
            actions += self._without(wanted, record, waiting)
        outcomes = self._outcomes(decided, written, kept, wanted)
        for wish in wishes:
            for feature, setting in wish.settings.items():
                said = self.dialect.write(self.ingress, {**wish.settings, feature: setting}).said[feature]
                outcomes.setdefault(feature, Outcome(said, None))
        standing = Standing(
            self.dialect.name,
            answers=self.dialect.answers,
            adds_preload=self.dialect.adds_preload,
            outcomes=outcomes,
            alone=kept.alone,
        )
        return Plan(actions=tuple(actions), due=kept.due, value=standing if wishes or kept.alone else None)

    def _companions(self, written: Written, held: set[Feature]) -> Kept:
        if self.dialect.companion is None:
            return _swept(self.subject, self.ingress, self.world, self.now)
        alone = _alone(self.subject, self.world)
        return Keeper(self.subject, self.ingress, self.dialect, self.world, self.now, alone).keep(written, held)

    def _stepped(self, decided: Decided) -> Decided:
        """A ramp never goes back to a step that it has left, though who remembers that may have been wiped."""
        setting = decided.setting
        if not isinstance(setting, Hsts):
            return decided
        live: Manifest | None = None
        if self.dialect.companion:
            reading = self.world.get(self.dialect.companion(self.ingress, Feature.HSTS).ref, MANIFEST)
            live = reading.value if isinstance(reading, Present) else None
        sent = self.dialect.max_age(self.ingress, live)
        if sent is None or sent not in setting.steps or sent <= setting.max_age:
            return decided
        return replace(decided, setting=replace(setting, max_age=sent))

    def _not_served(self, written: Written) -> str:
        """Why the engine's companions cannot be made."""
        for companion in written.companions.values():
            reading = self.world.get(companion.ref, MANIFEST)
            if isinstance(reading, Unknown) and reading.reason == "NotServed":
                return f"the API server does not serve {companion.ref.resource}; install {self.dialect.name}'s CRDs"
        return ""

    def _annotations(self, written: Written, held: set[Feature], kept: Kept) -> dict[str, str]:
        """All that is to stand on the Ingress by our hand."""
        wanted: dict[str, str] = {}
        for pairs in written.annotations.values():
            # Half of a feature's annotations would be another feature.
            if not any(taken_by(self.ingress, key, value) for key, value in pairs.items()):
                wanted |= pairs
        for feature in held:
            for key in self.dialect.keys[feature]:
                if key != self.dialect.links and key in self.ingress.ours:
                    wanted[key] = self.ingress.annotations[key]
        if kept.links:
            wanted[self.dialect.links] = ",".join(kept.links)
        return wanted

    def _without(
        self, wanted: Mapping[str, str], record: Mapping[Feature, Asker], waiting: Mapping[Feature, Gone]
    ) -> Iterator[Action]:
        """The step that takes away what vanished zones have left."""
        keys = {key for feature in waiting for key in self.dialect.keys[feature] if key != self.dialect.links}
        rest = {key: value for key, value in wanted.items() if key not in keys}
        if self.dialect.companion and self.dialect.links in rest:
            links = {self.dialect.companion(self.ingress, feature).link for feature in waiting}
            left = [link for link in listed(rest.pop(self.dialect.links)) if link not in links]
            rest |= {self.dialect.links: ",".join(left)} if left else {}
        others = {feature: asker for feature, asker in record.items() if feature not in waiting}
        return _annotate(self.ingress, rest, others, waiting, self.world)

    def _record(
        self, decided: Mapping[Feature, Decided], held: set[Feature], written: Written, wanted: Mapping[str, str]
    ) -> dict[Feature, Asker]:
        """Who asked for what stands by our hand."""
        mine, before = _mine(self.ingress, wanted), askers(self.ingress)
        found = {feature: before[feature] for feature in held if feature in before}
        for feature, item in decided.items():
            companion = written.companions.get(feature)
            links = listed(mine.get(self.dialect.links, "")) if companion else ()
            by_link = companion is not None and companion.link in links
            pairs = written.annotations.get(feature, {})
            if by_link or (pairs and pairs.keys() <= mine.keys()):
                found[feature] = Asker(item.zone, item.created)
        return found if mine else {}

    def _outcomes(
        self, decided: Mapping[Feature, Decided], written: Written, kept: Kept, wanted: Mapping[str, str]
    ) -> dict[Feature, Outcome]:
        failure = self.world.failure(ANNOTATE)
        failed = Said(State.FAILING, failure.message) if failure and failure.reason != "Conflict" else None
        outcomes: dict[Feature, Outcome] = {}
        for feature, item in decided.items():
            said = written.said[feature]
            if said.state is not State.UNSUPPORTED:
                taken = self._taken(feature, written, kept, wanted)
                said = failed or taken or kept.said.get(feature) or said
            outcomes[feature] = Outcome(said, item)
        return outcomes

    def _taken(self, feature: Feature, written: Written, kept: Kept, wanted: Mapping[str, str]) -> Said | None:
        """An annotation that somebody else has put there with another value; it is not fought over."""
        pairs = dict(written.annotations.get(feature, {}))
        if feature in written.companions and written.companions[feature].link in kept.links:
            pairs[self.dialect.links] = wanted[self.dialect.links]
        for key, value in sorted(pairs.items()):
            by = taken_by(self.ingress, key, value)
            if by is not None:
                return Said(State.FAILING, self._line(key, by, value))
        return None

    def _line(self, key: str, by: str, value: str) -> str:
        theirs = listed(self.ingress.annotations[key])
        more = [item for item in listed(value) if item not in theirs]
        line = ",".join((*theirs, *more)) if key == self.dialect.links else value
        return f'the annotation belongs to "{by}"; put this line into what it applies: {key}: {line}'


def taken_by(ingress: Ingress, key: str, value: str) -> str | None:
    """The manager of an annotation that stands in the way of ours; None where none does."""
    live = ingress.annotations.get(key)
    if live is None or key in ingress.ours or set(listed(value)) <= set(listed(live)):
        return None
    return next(iter(ingress.writers.get(key, ())), "unknown")


def _mine(ingress: Ingress, wanted: Mapping[str, str]) -> dict[str, str]:
    """What of it we may write: our own annotations, and those that nobody has."""
    ours = ingress.ours
    return {key: value for key, value in wanted.items() if key in ours or key not in ingress.annotations}


def _annotate(
    ingress: Ingress,
    wanted: Mapping[str, str],
    record: Mapping[Feature, Asker],
    leaving: Mapping[Feature, Gone],
    world: World,
) -> Iterator[Action]:
    mine = _mine(ingress, {**wanted, ZONES: recorded.written(record)} if record else wanted)
    lost = sorted(ingress.ours - mine.keys())
    changed = {key: value for key, value in mine.items() if ingress.annotations.get(key) != value}
    if not changed and not lost:
        return
    ref = Ref(INGRESS, ingress.namespace, ingress.name)
    looked_at = world.get(ref, VERSION)
    if not isinstance(looked_at, Present):
        return
    named = ", ".join(sorted({*changed, *lost}))
    yield ApplyFields(
        id=ANNOTATE,
        target=ref,
        reason="ZoneChanged" if changed else "ZoneGone",
        message=f"annotations {named}, as the zones that select {ref} want it",
        manifest={
            "apiVersion": INGRESS.api_version,
            "kind": INGRESS.kind,
            "metadata": {"name": ingress.name, "namespace": ingress.namespace, "annotations": mine},
        },
        manager=FIELD_MANAGER,
        decided_on=looked_at.value,
        defended=True,
        takes_away=bool(lost) or _shrinks(ingress, changed),
        gone=tuple(dict.fromkeys(gone for feature, gone in leaving.items() if feature not in record)),
        notable=True,
    )


def _shrinks(ingress: Ingress, changed: Mapping[str, str]) -> bool:
    """Whether something is not linked to any more."""
    return any(
        not set(listed(ingress.annotations.get(key, ""))) <= set(listed(value))
        for key, value in changed.items()
        if key != ZONES
    )
