"""Traefik 3 on Ingresses: a Middleware for each feature, linked by the router's annotation.

Traefik must run with its kubernetesCRD provider, beside that for Ingresses. A Middleware that is linked before it is
there, or gone before the link is, makes the router answer 404: see `route` for the order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import MIDDLEWARE, Ref
from breakwater.zones.dialects.dialect import Companion, Dialect, Said, State, Written, without_https
from breakwater.zones.ingress import Ingress, listed
from breakwater.zones.wishes import Feature, Hsts, Redirect, Setting

LINKS = "traefik.ingress.kubernetes.io/router.middlewares"
TLS = "traefik.ingress.kubernetes.io/router.tls"
ENTRY_POINTS = "traefik.ingress.kubernetes.io/router.entrypoints"
_SECURE = frozenset({"websecure", "https"})
"""What entry points for https are called; Traefik's own configuration, which nobody here can read, decides."""
HEADER = "Strict-Transport-Security"
_SUFFIXES = {Feature.HTTPS_REDIRECT: "https", Feature.HSTS: "hsts"}
_LONGEST = 253
_ON_HTTP_TOO = (
    "Traefik writes a max-age of 0 as a plain header, which goes out on http too, where RFC 6797 section 7.2 forbids "
    "it and browsers ignore it; enable httpsRedirect, and http answers carry no such header"
)
_TO_NOTHING = Said(
    State.UNSUPPORTED,
    "the Ingress declares no https, so a redirect would send visitors to nothing: it is not configured, and taken away "
    "where it was. Add spec.tls to the Ingress; an entry without secretName will do where Traefik has a certificate",
)
_NEVER_SENT = Said(
    State.PARTIAL,
    "browsers obey this header by https only, and the Ingress declares no https: nobody is protected by it. Add "
    "spec.tls to the Ingress",
    presumed=True,
)


def companion(ingress: Ingress, feature: Feature, spec: Mapping[str, Any] | None = None) -> Companion:
    """The Middleware of a feature; its name never changes, so that a change of settings is one write."""
    name = f"breakwater-{ingress.name}-{_SUFFIXES[feature]}"
    if len(name) > _LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        name = f"breakwater-{digest}-{_SUFFIXES[feature]}"
    ref = Ref(MIDDLEWARE, ingress.namespace, name)
    return Companion(ref, spec or {}, link(ref))


def link(middleware: Ref) -> str:
    """How the router's annotation names a Middleware."""
    return f"{middleware.namespace}-{middleware.name}@kubernetescrd"


def write(ingress: Ingress, settings: Mapping[Feature, Setting]) -> Written:
    """Each feature is a Middleware of its own. They hold for https as well as for http: each looks at the scheme."""
    redirects = Feature.HTTPS_REDIRECT in settings and _is_secure(ingress)
    said = {feature: _said(ingress, setting, redirects=redirects) for feature, setting in settings.items()}
    doable = {feature: setting for feature, setting in settings.items() if said[feature].state != State.UNSUPPORTED}
    made = {feature: companion(ingress, feature, _spec(setting)) for feature, setting in doable.items()}
    return Written(said, companions=made)


def _is_secure(ingress: Ingress) -> bool:
    return ingress.declares_https or _is_routed_securely(ingress)


def _is_routed_securely(ingress: Ingress) -> bool:
    """Whether its router is said to serve https for all hosts."""
    tls, entry_points = ingress.annotations.get(TLS, ""), listed(ingress.annotations.get(ENTRY_POINTS, ""))
    return tls.strip().lower() == "true" or not _SECURE.isdisjoint(entry_points)


def _said(ingress: Ingress, setting: Setting, *, redirects: bool) -> Said:
    if not _is_secure(ingress):
        return _TO_NOTHING if isinstance(setting, Redirect) else _NEVER_SENT
    if ingress.insecure and not _is_routed_securely(ingress):
        return _partly(ingress, setting)
    if isinstance(setting, Hsts) and setting.max_age == 0 and not redirects:
        return Said(State.PARTIAL, _ON_HTTP_TOO)
    if isinstance(setting, Redirect) and setting.status_code not in ANSWERS[setting.status_code]:
        answer = ANSWERS[setting.status_code][0]
        return Said(State.CONFIGURED, f"Traefik answers GET with {answer}, other methods with {setting.status_code}")
    return Said(State.CONFIGURED)


def _partly(ingress: Ingress, setting: Setting) -> Said:
    names, remedy = without_https(ingress), "add them to its hosts"
    if isinstance(setting, Redirect):
        text = f"visitors of {names} are sent to https too, which spec.tls of the Ingress leaves out; {remedy}"
        return Said(State.PARTIAL, text)
    return Said(State.PARTIAL, f"spec.tls of the Ingress leaves out {names}; {remedy}", presumed=True)


def _spec(setting: Setting) -> dict[str, Any]:
    if isinstance(setting, Redirect):
        return {"redirectScheme": {"scheme": "https", "permanent": setting.status_code in (301, 308)}}
    if setting.max_age == 0:
        # With stsSeconds 0 Traefik sends no header at all.
        return {"headers": {"customResponseHeaders": {HEADER: setting.header}}}
    headers: dict[str, Any] = {"stsSeconds": setting.max_age}
    headers |= {"stsIncludeSubdomains": True} if setting.include_sub_domains else {}
    headers |= {"stsPreload": True} if setting.preload else {}
    return {"headers": headers}


def max_age(ingress: Ingress, hsts: Manifest | None) -> int | None:  # noqa: ARG001 - it stands on the Middleware
    """What the Middleware has Traefik send."""
    headers = ((hsts or {}).get("spec") or {}).get("headers") or {}
    if HEADER in (headers.get("customResponseHeaders") or {}):
        return 0
    return int(headers["stsSeconds"]) if headers.get("stsSeconds") else None


# Seen on 3.7.15: `permanent` decides between 301 and 302 for GET, between 308 and 307 for all other methods.
ANSWERS = {301: (301,), 308: (301,), 302: (302,), 307: (302,)}

DIALECT = Dialect(
    name="Traefik",
    controller="traefik.io/ingress-controller",
    write=write,
    keys={feature: {LINKS: "2.0"} for feature in Feature},
    max_age=max_age,
    answers=ANSWERS,
    companion=companion,
    links=LINKS,
    link=link,
)
