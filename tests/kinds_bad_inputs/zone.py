"""Mistakes in a security zone."""

from __future__ import annotations

from typing import Any

from tests.kinds_bad_inputs.table import ZONE, BadInput

YEAR = 31536000
_PRELOADED = {"enabled": True, "preload": True, "includeSubDomains": True}
_REDIRECT = {"httpsRedirect": {"enabled": True}}


def _bad(name: str, change: dict[str, Any], field: str, message: str, model_message: str = "") -> BadInput:
    return BadInput(name, ZONE, change, f"spec.{field}", message, model_message)


def _hsts(name: str, field: str, message: str, model_message: str = "", **hsts: Any) -> BadInput:
    return _bad(name, {"hsts": {"enabled": True} | hsts} | _REDIRECT, f"hsts.{field}", message, model_message)


_LISTED = f"only with maxAge of at least {YEAR} and includeSubDomains: set both, or preload to false"

ZONES = (
    _bad("zone-without-selector", {"ingressSelector": None}, "ingressSelector", "Required value", "is required"),
    _bad("zone-of-no-guideline", {"zone": "Intranet"}, "zone", "Unsupported value", "Input should be"),
    _bad("zone-mode", {"mode": "Warn"}, "mode", "Unsupported value", "Input should be"),
    _hsts("preload-for-a-day", "preload", _LISTED, **{**_PRELOADED, "maxAge": 86400}),
    _hsts("preload-of-one-name", "preload", _LISTED, preload=True),
    _bad(
        "preload-without-redirect",
        {"hsts": _PRELOADED},
        "hsts.preload",
        "only where plain http is redirected: enable httpsRedirect, or set preload to false",
    ),
    _hsts("preload-on-a-ramp", "preload", "let the ramp end, remove it, then set preload", **_PRELOADED, ramp=[300]),
    _hsts("ramp-above-its-end", "ramp", "must be shorter than maxAge", maxAge=300, ramp=[300]),
    _hsts("ramp-that-falls", "ramp", "must rise from step to step", ramp=[600, 300]),
    _hsts("ramp-that-stays", "ramp", "must rise from step to step", ramp=[300, 300]),
    _hsts("ramp-of-zero", "ramp[0]", "greater than or equal to 1", ramp=[0]),
    _hsts("ramp-of-nine", "ramp", "at most 8 items", "between 0 and 8 items", ramp=list(range(1, 10))),
    _hsts("max-age-below-zero", "maxAge", "greater than or equal to 0", maxAge=-1),
    _hsts("max-age-of-ten-years", "maxAge", "less than or equal to 63072000", maxAge=10 * YEAR),
    _hsts("max-age-as-text", "maxAge", "must be of type integer", "valid integer", maxAge="1y"),
    _bad(
        "max-age-zero-and-off",
        {"hsts": {"maxAge": 0}},
        "hsts.maxAge",
        "takes HSTS back, which is a header too: set enabled to true with it",
    ),
    _bad(
        "redirect-by-303",
        {"httpsRedirect": {"enabled": True, "statusCode": 303}},
        "httpsRedirect.statusCode",
        "Unsupported value",
        "Input should be",
    ),
    _bad("zone-probed-each-second", {"probe": {"interval": "1s"}}, "probe.interval", "must be between 5s and 24h"),
    _bad("zone-with-a-snippet", {"snippet": "add_header X y;"}, "snippet", "unknown field", "not a field"),
)
