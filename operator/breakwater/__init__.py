"""Breakwater: security guidelines as Kubernetes resources, enforced and proven."""
