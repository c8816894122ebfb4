"""Rights in the words of RBAC, as CEL that asks the API server's authorizer and as words for people."""

from __future__ import annotations

from dataclasses import dataclass

from breakwater.hardening.standards.cel import cel_string

OPERATOR = "system:serviceaccount:breakwater-system:breakwater"
"""The operator's user. The one value in the policies that an installation elsewhere replaces."""


@dataclass(frozen=True, slots=True)
class Term:
    """A string expression of CEL, as opposed to text."""

    cel: str


Text = str | Term
NAMESPACE = Term("request.namespace")
USER = Term("request.userInfo.username")


def text(*parts: Text) -> str:
    """A string expression that puts parts together."""
    merged: list[Text] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part:
            merged.append(part)
    return " + ".join(map(_cel, merged))


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource.

    Attributes:
        group: of the API, empty for the core one.
        namespace: None for cluster-scoped resources and for all namespaces.
        name: None for all of them, and for verbs such as create that know no name.
        where: words for a namespace that may be all of them.
    """

    verb: str
    group: str
    resource: Text
    namespace: Term | None = None
    name: Term | None = None
    where: Term | None = None

    @property
    def held(self) -> str:
        """Whether the user of the request has it. One question to the authorizer: an expression may ask two."""
        place = f".namespace({self.namespace.cel})" if self.namespace else ""
        name = f".name({self.name.cel})" if self.name else ""
        asked = f"authorizer.group({cel_string(self.group)}).resource({_cel(self.resource)}){place}{name}"
        return f"{asked}.check({cel_string(self.verb)}).allowed()"

    @property
    def words(self) -> tuple[Text, ...]:
        """As in "alice may not ..."."""
        group = f".{self.group}" if self.group else ""
        name: tuple[Text, ...] = (' "', self.name, '"') if self.name else ()
        return (f"{self.verb} ", self.resource, group, *name, *self._place)

    @property
    def _place(self) -> tuple[Text, ...]:
        if self.where:
            return (" in ", self.where)
        return (" in namespace ", self.namespace) if self.namespace else (" cluster-wide",)


@dataclass(frozen=True, slots=True)
class Need:
    """A right that a declaration asks of its author.

    Attributes:
        field: of the declaration, as messages name it.
        when: CEL: whether it asks for it; empty where it always does.
        why: what the operator would do for somebody who may not do it himself.
        instead: what else he can do than ask for the right.
    """

    field: str
    when: str
    right: Right
    why: str
    instead: str

    @property
    def validation(self) -> dict[str, str]:
        """One item of `validations`."""
        told = text(
            f"{self.field}: ",
            USER,
            " may not ",
            *self.right.words,
            f", and {self.why}; ask for that right, or {self.instead}",
        )
        return {
            "expression": f"!({self.when}) || {self.right.held}" if self.when else self.right.held,
            # Where the one below cannot be evaluated.
            "message": f"{self.field}: you may not {self.right.verb} what it stands for, and {self.why}",
            "messageExpression": told,
            "reason": "Forbidden",
        }


def _cel(part: Text) -> str:
    return part.cel if isinstance(part, Term) else cel_string(part)
