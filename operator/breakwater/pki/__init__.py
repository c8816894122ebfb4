"""Keys, certificates, trust bundles and passwords: pure functions over bytes that know nothing of Kubernetes."""

from breakwater.pki.bundles import build_bundle, bundle_digest
from breakwater.pki.errors import PkiError, Reason
from breakwater.pki.facts import CertificateFacts, key_matches, parse_bundle, parse_chain
from breakwater.pki.issuer import load_issuer, to_pem, trusted_within, with_intermediates
from breakwater.pki.issuing import KeyPair, issue_leaf, issue_root
from breakwater.pki.keys import Algorithm, generate_key, key_spki
from breakwater.pki.passwords import generate_password
from breakwater.pki.recipes import GeneratePassword, IssueCertificate, IssueRoot
from breakwater.pki.requests import LeafRequest, RootRequest, Usage
from breakwater.pki.validity import Validity
from breakwater.pki.verification import verify

__all__ = [
    "Algorithm",
    "CertificateFacts",
    "GeneratePassword",
    "IssueCertificate",
    "IssueRoot",
    "KeyPair",
    "LeafRequest",
    "PkiError",
    "Reason",
    "RootRequest",
    "Usage",
    "Validity",
    "build_bundle",
    "bundle_digest",
    "generate_key",
    "generate_password",
    "issue_leaf",
    "issue_root",
    "key_matches",
    "key_spki",
    "load_issuer",
    "parse_bundle",
    "parse_chain",
    "to_pem",
    "trusted_within",
    "verify",
    "with_intermediates",
]
