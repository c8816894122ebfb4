from __future__ import annotations

import pytest

from breakwater.cluster.client import _warnings
from breakwater.kernel.dryrun import Answer, DryRun, Sample, read_answers, write_answers
from breakwater.kernel.references import POD

GOOD = Answer(201, "", ("first", "second"), {"a": "b"}, {"containers": []})
REFUSED = Answer(403, "no", (), {}, {})


def test_answers_are_read_back_and_equal_ones_are_one() -> None:
    assert set(map(str, read_answers(write_answers([GOOD, REFUSED, GOOD])))) == {str(GOOD), str(REFUSED)}
    assert write_answers([GOOD, REFUSED]) == write_answers([REFUSED, GOOD])
    assert (GOOD.is_admitted, REFUSED.is_admitted) == (True, False)


def test_another_question_has_another_digest() -> None:
    one = DryRun(POD, "here", (Sample.of("a", {"x": 1, "y": 2}),), 5)
    same = DryRun(POD, "here", (Sample.of("a", {"y": 2, "x": 1}),), 5)
    others = [
        DryRun(POD, "there", one.samples, 5),
        DryRun(POD, "here", (Sample.of("b", {"x": 1, "y": 2}),), 5),
        DryRun(POD, "here", (Sample.of("a", {"x": 2, "y": 2}),), 5),
        DryRun(POD, "here", one.samples, 6),
    ]
    assert one.digest() == same.digest()
    assert len({one.digest(), *(other.digest() for other in others)}) == 5


@pytest.mark.parametrize(
    ("headers", "texts"),
    [
        ((), ()),
        (('299 - "plain"', '299 - "second"'), ("plain", "second")),
        ((r'299 - "a \"quoted\" word and a \\"',), ('a "quoted" word and a \\',)),
        (('199 - "not from the API server"', "299"), ()),
    ],
)
def test_warnings_are_read_out_of_their_headers(headers: tuple[str, ...], texts: tuple[str, ...]) -> None:
    assert _warnings(headers) == texts
