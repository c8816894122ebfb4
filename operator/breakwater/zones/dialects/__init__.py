"""Ingress engines by the name of their controller. A new engine is one new file, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from breakwater.zones.dialects import f5, traefik
from breakwater.zones.dialects.dialect import Dialect

DIALECTS: Mapping[str, Dialect] = {dialect.controller: dialect for dialect in (f5.DIALECT, traefik.DIALECT)}
