"""F5 NGINX Ingress Controller on Ingresses: annotations only."""

from __future__ import annotations

from collections.abc import Mapping

from breakwater.kernel.reading import Manifest
from breakwater.zones.dialects.dialect import Dialect, Said, State, Written, without_https
from breakwater.zones.ingress import Ingress
from breakwater.zones.wishes import Feature, Hsts, Redirect, Setting

HSTS = "nginx.org/hsts"
MAX_AGE = "nginx.org/hsts-max-age"
SUB_DOMAINS = "nginx.org/hsts-include-subdomains"
REDIRECT = "nginx.org/ssl-redirect"
REDIRECT_CODE = "nginx.org/http-redirect-code"
_MOST_DIGITS = 18
MERGEABLE = "nginx.org/mergeable-ingress-type"
KEYS = {
    Feature.HSTS: {HSTS: "0.6", MAX_AGE: "0.6", SUB_DOMAINS: "0.6"},
    Feature.HTTPS_REDIRECT: {REDIRECT: "5.4", REDIRECT_CODE: "5.4"},
}
_NO_TLS = Said(
    State.UNSUPPORTED,
    "the engine does this on Ingresses with spec.tls only, so it is not configured; add spec.tls to the Ingress",
)
_MINION = Said(State.UNSUPPORTED, "the engine refuses this on a mergeable minion; select the master Ingress instead")
_PRELOAD = Said(
    State.UNSUPPORTED,
    "the engine always adds `preload` to the header, which may put the name into browsers for years; set hsts.preload "
    "to true if that is meant, or use another engine",
)
_PRELOAD_OF_NOTHING = Said(
    State.PARTIAL, "the engine adds `preload` to the header; browsers forget the name all the same"
)


def write(ingress: Ingress, settings: Mapping[Feature, Setting]) -> Written:
    """One bad value has the engine ignore all of a feature's keys, so each is written out."""
    said = {feature: _said(ingress, setting) for feature, setting in settings.items()}
    doable = {feature: setting for feature, setting in settings.items() if said[feature].state != State.UNSUPPORTED}
    return Written(said, annotations={feature: _annotations(setting) for feature, setting in doable.items()})


def _said(ingress: Ingress, setting: Setting) -> Said:
    if ingress.annotations.get(MERGEABLE) == "minion":
        return _MINION
    if not ingress.declares_https:
        return _NO_TLS
    if ingress.insecure:
        return _partly(ingress, setting)
    if isinstance(setting, Redirect):
        return Said(State.CONFIGURED, f"needs version {KEYS[Feature.HTTPS_REDIRECT][REDIRECT_CODE]} or later")
    if setting.preload:
        return Said(State.CONFIGURED)
    return _PRELOAD_OF_NOTHING if setting.max_age == 0 else _PRELOAD


def _partly(ingress: Ingress, setting: Setting) -> Said:
    if isinstance(setting, Hsts) and not setting.preload and setting.max_age:
        return _PRELOAD
    return Said(State.PARTIAL, f"spec.tls of the Ingress leaves out {without_https(ingress)}; add them to its hosts")


def _annotations(setting: Setting) -> dict[str, str]:
    if isinstance(setting, Hsts):
        return {
            HSTS: "true",
            MAX_AGE: str(setting.max_age),
            SUB_DOMAINS: "true" if setting.include_sub_domains else "false",
        }
    return {REDIRECT: "true", REDIRECT_CODE: str(setting.status_code)}


def max_age(ingress: Ingress, hsts: Manifest | None) -> int | None:  # noqa: ARG001 - it stands on the Ingress
    """What the annotations have it send."""
    text = ingress.annotations.get(MAX_AGE, "")
    readable = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if ingress.annotations.get(HSTS) == "true" and readable else None


DIALECT = Dialect(
    name="F5 NGINX",
    controller="nginx.org/ingress-controller",
    write=write,
    keys=KEYS,
    max_age=max_age,
    answers={code: (code,) for code in (301, 302, 307, 308)},
    adds_preload=True,
)
