"""Specs that nobody writes in good faith, drawn from the CRDs' own schemas: all that the API server lets through."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from breakwater.kernel.durations import PATTERN, format_duration, parse_duration

Spec = dict[str, Any]
Specs = st.SearchStrategy[Spec]
Node = Mapping[str, Any]

CHANNELS, AUTHORITIES, SCHEDULES = "communicationchannels", "certificateauthorities", "rotationschedules"
CRDS = Path(__file__).parents[2] / "crds"
RULES = "x-kubernetes-validations"
ONE_OF = re.compile(r"^\[((?:has\(self\.\w+\)(?:, )?)+)\]\.exists_one\(given, given\)$")
BOUND = re.compile(r"duration\('(\w+)'\)")

LONG_LABEL = "l" * 63
LONG_NAME = ".".join([LONG_LABEL] * 3 + ["m" * 61])
NAMES = ("a", "0", "xn--80ak6aa92e", LONG_LABEL, LONG_NAME, "kube-root-ca.crt", "a.b-c.d", "1-2-3", "con", "none")
HOSTS = (
    "localhost",
    "kubernetes.default.svc",
    "metadata.google.internal",
    "127.0.0.1",
    "0.0.0.0",  # noqa: S104 - hostile on purpose, and refused
    "169.254.169.254",
    "255.255.255.255",
    "::1",
    "fe80::1",
    "64:ff9b::7f00:1",
    "::",
    LONG_LABEL,
    LONG_NAME,
    f"{LONG_LABEL}.good.svc",
    "web.good.svc",
    "shop",
)
OWN_SERVICES = ("shop.hostile.svc", "shop.hostile.svc.cluster.local", f"pod-0.shop.{LONG_LABEL}.svc")
TEXTS = (
    "\u202e\u2066right-to-left",
    "p\u0430ypal",
    "\u0000\u0007\u001b[31m",
    "%s%n{0}{}${jndi:ldap://x}",
    "\ufeff\u200b\u00ad",
    "'\"`\\; DROP TABLE",
    "\U0001f512" * 40,
    "n" * 1024,
)


CRONS = (
    "* * * * *",
    "* * * 1 *",
    "0 3 1 */3 *",
    "59 23 29 2 *",
    "0 0 30 2 *",
    "0 0 */31 2 MON#5",
    "0 0 * 2 MON#5",
    "0 5-2 * * *",
    "*/99 */99 L,LW */99 0L,7L",
    "1,2,3,5,7,11,13,17,19,23,29,31,37,41,43,47,53,59 1,2,3,5,7,11,13,17,19,23 1,2,3,5,7,11 FEB,MAR MON#1,TUE#5,6L",
)
ZONES = (
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Europe",
    "posixrules",
    "a/b/c",
    "Z",
)
INSTANTS = (
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "1970-01-01T00:00:00+14:00",
    "2038-01-19T03:14:08.5Z",
)


class Pools:
    """What references may point to besides nothing: objects that a test has prepared."""

    def __init__(self, authorities: tuple[str, ...], secrets: tuple[str, ...], config_maps: tuple[str, ...]) -> None:
        self.by_path: Mapping[str, tuple[str, ...]] = {
            "authorityRef.name": authorities * 12 + NAMES,
            "existingSecretRef.name": secrets * 2 + NAMES,
            "secretRef.name": secrets * 2 + NAMES,
            "bundleRef.name": config_maps * 8 + NAMES,
            "bundleRef.key": ("ca.crt", "ca.crt", "k" * 253, ".k", "-"),
            "rotationScheduleRef.name": ("r3", "r6", "r9", "r12") * 3 + NAMES,
            "timeZone": ("Etc/UTC",) * 6 + ZONES,
            "cron": CRONS,
            "endpoint.host": HOSTS + OWN_SERVICES * 6,
            "commonName": ("app", "c" * 64, "a@b", "A b.c_d"),
        }

    def of(self, path: str) -> tuple[str, ...] | None:
        return next((pool for end, pool in self.by_path.items() if path.endswith(end)), None)


def schema_of(plural: str, part: str) -> Node:
    """The schema of a kind's spec or status, as the API server has it."""
    crd = yaml.safe_load((CRDS / f"{plural}.yaml").read_text())
    schema: Node = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
    return schema


def drawn(strategy: Specs, count: int) -> list[Spec]:
    """Up to `count` examples, the same ones each time."""
    found: list[Spec] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=tuple(HealthCheck),
    )
    @given(spec=strategy)
    def collect(spec: Spec) -> None:
        found.append(spec)

    collect()
    return found


def values(node: Node, path: str, pools: Pools) -> st.SearchStrategy[Any]:
    """What a schema lets through, its own rules aside, with a liking for its limits."""
    pool = pools.of(path)
    if pool is not None:
        return st.sampled_from(pool)
    if "enum" in node:
        return st.sampled_from(node["enum"])
    by_type: Mapping[str, Callable[[], st.SearchStrategy[Any]]] = {
        "boolean": st.booleans,
        "integer": lambda: _integers(node),
        "string": lambda: _strings(node),
        "array": lambda: _lists(node, path, pools),
        "object": lambda: _objects(node, path, pools),
    }
    return by_type[node["type"]]()


def _integers(node: Node) -> st.SearchStrategy[int]:
    low, high = node["minimum"], node["maximum"]
    return st.one_of(st.sampled_from((low, high)), st.integers(low, high))


def _strings(node: Node) -> st.SearchStrategy[str]:
    if node.get("format") == "date-time":
        return st.sampled_from(INSTANTS)
    pattern, shortest, longest = node.get("pattern"), node.get("minLength", 0), node["maxLength"]
    if pattern == PATTERN:
        return _durations(node)
    extremes = [text for text in (*NAMES, *TEXTS, "x" * longest) if shortest <= len(text) <= longest]
    if pattern is None:
        return st.one_of(st.sampled_from(extremes), st.text(min_size=shortest, max_size=min(longest, 40)))
    fitting = [text for text in extremes if re.fullmatch(pattern, text)]
    matching = st.from_regex(pattern, fullmatch=True).filter(lambda text: shortest <= len(text) <= longest)
    return st.one_of(st.sampled_from(fitting), matching) if fitting else matching


def _durations(node: Node) -> st.SearchStrategy[str]:
    bounds = [parse_duration(bound) for rule in node[RULES] for bound in BOUND.findall(rule["rule"])]
    low, high = (int(bound.total_seconds()) for bound in (min(bounds), max(bounds)))
    seconds = st.one_of(st.sampled_from((low, high)), st.integers(low, high))
    return st.one_of(seconds.map(lambda count: format_duration(timedelta(seconds=count))), st.just(f"{low}s"))


def _lists(node: Node, path: str, pools: Pools) -> st.SearchStrategy[list[Any]]:
    items = values(node["items"], path, pools)
    least, most = node.get("minItems", 0), node["maxItems"]
    keys = node.get("x-kubernetes-list-map-keys")
    unique: Callable[[Any], Any] | None = None
    if keys:
        unique = lambda item: tuple(item.get(key) for key in keys)  # noqa: E731 - two ways to be unique, side by side
    elif node.get("x-kubernetes-list-type") == "set":
        unique = str
    short = st.lists(items, min_size=least, max_size=min(most, 3), unique_by=unique)
    return st.one_of(short, short, st.lists(items, min_size=least, max_size=min(most, 16), unique_by=unique))


def _objects(node: Node, path: str, pools: Pools) -> Specs:
    if "additionalProperties" in node:
        keys = st.sampled_from((*NAMES[:4], "k" * 63, "A_b.c", "a.b/c", "x" * 253, "..", "k" * 253))
        return st.dictionaries(keys, values(node["additionalProperties"], path, pools), max_size=4)
    members = {name: values(part, f"{path}.{name}", pools) for name, part in (node.get("properties") or {}).items()}
    chosen = _one_of(node)
    if not chosen:
        required = {name: members.pop(name) for name in node.get("required", ())}
        return st.fixed_dictionaries(required, optional=members)
    rest = {name: member for name, member in members.items() if name not in chosen}
    return st.one_of(*(st.fixed_dictionaries({name: members[name]}, optional=rest) for name in chosen))


def _one_of(node: Node) -> list[str]:
    """The members of which a rule of the schema wants exactly one."""
    for rule in node.get(RULES, ()):
        found = ONE_OF.match(rule["rule"])
        if found:
            return re.findall(r"has\(self\.(\w+)\)", found[1])
    return []


def channels(pools: Pools) -> Specs:
    """Specs of CommunicationChannels, most of them mended so that rules over several fields let them through."""
    return st.builds(_mended_channel, values(schema_of(CHANNELS, "spec"), "spec", pools))


def authorities(pools: Pools) -> Specs:
    """As `channels`, of CertificateAuthorities; slow algorithms are rare, since each root costs seconds of them."""
    drawn_spec = values(schema_of(AUTHORITIES, "spec"), "spec", pools)
    return st.builds(_mended_authority, drawn_spec, st.integers(0, 15))


def schedules(pools: Pools) -> Specs:
    """As `channels`, of RotationSchedules; there is nothing to mend."""
    return values(schema_of(SCHEDULES, "spec"), "spec", pools)


def statuses(plural: str, pools: Pools) -> Specs:
    """What somebody may have written into the status of a kind."""
    return values(schema_of(plural, "status"), "status", pools)


def _mended_channel(spec: Spec) -> Spec:
    endpoint, encryption = spec["endpoint"], spec["encryption"]
    if spec["protocol"] in ("HTTPS", "Oracle", "TLS", "MySQL"):
        endpoint.pop("security", None)
    if spec["protocol"] == "TLS":
        endpoint.setdefault("port", 65535)
    suites = encryption.pop("cipherSuites", None)
    if encryption.get("cipherProfile") == "Custom":
        encryption["cipherSuites"] = suites or ["TLS_AES_128_GCM_SHA256"]
        encryption["minimumVersion"] = "TLSv1.2"
    elif encryption.get("cipherProfile") == "Modern":
        encryption["minimumVersion"] = "TLSv1.3"
    server = encryption.get("serverCertificate")
    if server is not None:
        _mend_certificate(server, endpoint)
    cadence = spec.get("probe", {})
    if "negativeInterval" in cadence:
        cadence["interval"] = "5s"
    if spec.get("authentication") == {}:
        del spec["authentication"]
    return spec


def _mend_certificate(server: Spec, endpoint: Spec) -> None:
    if "existingSecretRef" in server:
        server.pop("authorityRef", None)
        server.pop("dnsNames", None)
        return
    if re.fullmatch(r"[0-9a-f:.]*[0-9:]", endpoint["host"]):
        endpoint.setdefault("serverName", "web.hostile.svc")
    verified = endpoint.get("serverName", endpoint["host"])
    if verified in OWN_SERVICES:
        server.pop("dnsNames", None)
    server.setdefault("authorityRef", {"name": "platform"})
    server["dnsNames"] = list(dict.fromkeys((verified, *server.get("dnsNames", ()))))


def _mended_authority(spec: Spec, turn: int) -> Spec:
    if turn:
        spec["algorithm"] = ("ECDSA-P256", "ECDSA-P384", "Ed25519")[turn % 3]
    if turn % 2:
        spec["source"] = {"selfManaged": {}}
    leaf = spec.get("leafLifetime", {})
    spec["leafLifetime"] = leaf
    times = sorted(
        (leaf.get("default", "1m"), leaf.get("maximum", "1h"), spec.get("lifetime", "87600h")), key=parse_duration
    )
    leaf["default"], leaf["maximum"], spec["lifetime"] = times
    for grant in spec.get("usableFrom", ()):
        usages = grant["usages"]
        grant["commonNames"] = grant.get("commonNames") or ["app"]
        if "Client" not in usages:
            del grant["commonNames"]
        if "Server" not in usages:
            grant.pop("dnsNames", None)
    if not {"selfManaged", "csr"} & spec["source"].keys():
        spec.pop("nameConstraints", None)
    if spec.get("rotation", {}).get("emergency"):
        spec["rotation"]["reason"] = "emergency"
    spec.pop("renewal" if turn % 2 else "rotationScheduleRef", None)
    if turn % 4:
        spec.pop("rotation", None)  # not served by this version, which would hide all that lies behind it
    return spec
