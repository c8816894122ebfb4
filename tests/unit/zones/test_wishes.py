"""Of zones that want different things on one Ingress the oldest decides, feature by feature."""

from __future__ import annotations

import itertools

import pytest

from breakwater.zones.wishes import Feature, Hsts, Redirect, Setting, Wish, decide

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
YEAR, DAY, REDIRECT = Hsts(31536000), Hsts(86400), Redirect(308)


def wish(zone: str, created: str, *settings: Setting) -> Wish:
    names = {Hsts: Feature.HSTS, Redirect: Feature.HTTPS_REDIRECT}
    return Wish(zone, created, enforced=True, settings={names[type(each)]: each for each in settings})


CASES: dict[str, tuple[list[Wish], dict[Feature, tuple[Setting, str]]]] = {
    "nobody wants anything": ([], {}),
    "one zone": ([wish("a", OLD, YEAR)], {Feature.HSTS: (YEAR, "a")}),
    "two zones that want different features hold both": (
        [wish("a", OLD, YEAR), wish("b", NEW, REDIRECT)],
        {Feature.HSTS: (YEAR, "a"), Feature.HTTPS_REDIRECT: (REDIRECT, "b")},
    ),
    "the older one wins, whatever its name": (
        [wish("z", OLD, YEAR), wish("a", NEW, DAY, REDIRECT)],
        {Feature.HSTS: (YEAR, "z"), Feature.HTTPS_REDIRECT: (REDIRECT, "a")},
    ),
    "of two of one second the first by name": (
        [wish("b", OLD, YEAR), wish("a", OLD, DAY)],
        {Feature.HSTS: (DAY, "a")},
    ),
}


@pytest.mark.parametrize("sentence", CASES)
def test_one_zone_decides_on_each_feature_in_whatever_order_they_are_met(sentence: str) -> None:
    wishes, expected = CASES[sentence]
    for order in itertools.permutations(wishes):
        assert {feature: (item.setting, item.zone) for feature, item in decide(order).items()} == expected


@pytest.mark.parametrize(
    ("setting", "header"),
    [
        (Hsts(600), "max-age=600"),
        (Hsts(0), "max-age=0"),
        (Hsts(600, include_sub_domains=True), "max-age=600; includeSubDomains"),
        (Hsts(31536000, include_sub_domains=True, preload=True), "max-age=31536000; includeSubDomains; preload"),
    ],
)
def test_the_header_as_rfc_6797_has_it(setting: Hsts, header: str) -> None:
    assert setting.header == header
