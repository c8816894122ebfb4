from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from breakwater.certificates.kind import CertificateAuthoritySpec
from breakwater.certificates.permits import client_refusal, is_own_service, server_refusal

DOMAIN = "cluster.local"
SUITE = {"matchLabels": {"suite": "bpm"}}
LABELS = {"suite": "bpm"}
Grant = Mapping[str, Any]


def _spec(*grants: Grant) -> CertificateAuthoritySpec:
    named = [{"name": f"grant-{number}", **grant} for number, grant in enumerate(grants)]
    return CertificateAuthoritySpec.read({"source": {"selfManaged": {}}, "usableFrom": named})


SERVERS = {"namespaceSelector": SUITE, "usages": ["Server"]}
CLIENTS = {"namespaceSelector": SUITE, "usages": ["Client"], "commonNames": ["app", "Batch Job"]}
NAMED = SERVERS | {"dnsNames": ["www.example.com", "*.bpm.example.com"]}

SERVER_CASES: dict[str, tuple[list[Grant], str, bool]] = {
    "nobody may by default": ([], "db.bpm.svc", False),
    "a grant for clients is none for servers": ([CLIENTS], "db.bpm.svc", False),
    "a grant for other namespaces": (
        [SERVERS | {"namespaceSelector": {"matchLabels": {"suite": "bi"}}}],
        "db.bpm.svc",
        False,
    ),
    "a Service of its own namespace": ([SERVERS], "db.bpm.svc", True),
    "with the cluster's domain": ([SERVERS], "db.bpm.svc.cluster.local", True),
    "a pod of a headless Service": ([SERVERS], "db-0.db.bpm.svc", True),
    "two labels too many": ([SERVERS], "a.b.c.bpm.svc", False),
    "any pod of a headless Service": ([SERVERS], "*.db.bpm.svc", True),
    "any Service of its namespace": ([SERVERS], "*.bpm.svc", False),
    "a Service of another namespace": ([SERVERS], "db.bi.svc", False),
    "a namespace whose name ends alike": ([SERVERS], "db.xbpm.svc", False),
    "the namespace itself": ([SERVERS], "bpm.svc", False),
    "a short name, which means another Service elsewhere": ([SERVERS], "db", False),
    "another cluster's domain": ([SERVERS], "db.bpm.svc.example.com", False),
    "a public name without a grant": ([SERVERS], "www.example.com", False),
    "a public name that is granted": ([NAMED], "www.example.com", True),
    "a name below a granted wildcard": ([NAMED], "a.bpm.example.com", True),
    "two labels below a granted wildcard": ([NAMED], "a.b.bpm.example.com", False),
    "the parent of a granted wildcard": ([NAMED], "bpm.example.com", False),
    "the granted wildcard itself": ([NAMED], "*.bpm.example.com", True),
    "a wildcard that is not granted": ([NAMED], "*.example.com", False),
    "a wildcard below a granted wildcard": ([NAMED], "*.a.bpm.example.com", False),
    "its own Services besides granted names": ([NAMED], "db.bpm.svc", True),
    "a second grant": ([SERVERS, NAMED], "www.example.com", True),
}


@pytest.mark.parametrize("sentence", SERVER_CASES)
def test_who_may_serve_under_which_name(sentence: str) -> None:
    grants, name, may = SERVER_CASES[sentence]
    refusal = server_refusal(_spec(*grants), "bpm", LABELS, [name], DOMAIN)
    assert (refusal == "") is may
    assert may or "spec.usableFrom" in refusal


def test_one_name_that_is_not_granted_refuses_all_and_is_named() -> None:
    refusal = server_refusal(_spec(SERVERS), "bpm", LABELS, ["db.bpm.svc", "www.example.com"], DOMAIN)
    assert "www.example.com" in refusal
    assert "db.bpm.svc" not in refusal


CLIENT_CASES: dict[str, tuple[list[Grant], str, bool]] = {
    "nobody may by default": ([], "app", False),
    "a grant for servers is none for clients": ([SERVERS], "app", False),
    "a listed name": ([CLIENTS], "app", True),
    "a listed name with a space": ([CLIENTS], "Batch Job", True),
    "a name is listed, never implied": ([CLIENTS], "root", False),
    "a name in other case": ([CLIENTS], "App", False),
    "a grant for other namespaces": ([CLIENTS | {"namespaceSelector": {"matchLabels": {"suite": "bi"}}}], "app", False),
}


@pytest.mark.parametrize("sentence", CLIENT_CASES)
def test_who_may_be_which_client(sentence: str) -> None:
    grants, name, may = CLIENT_CASES[sentence]
    refusal = client_refusal(_spec(*grants), "bpm", LABELS, name)
    assert (refusal == "") is may
    assert may or "spec.usableFrom" in refusal


def test_a_service_of_a_namespace_is_known_by_its_whole_suffix() -> None:
    assert is_own_service("db.bpm.svc", "bpm", DOMAIN)
    assert not is_own_service("db.bpm.svc", "pm", DOMAIN)
    assert not is_own_service(".bpm.svc", "bpm", DOMAIN)
