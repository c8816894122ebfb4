"""Live measurement of channels: which protocols can be measured, and by what.

    plan -> request.TlsProbe -> engine -> measure.measure -> reasons.MeasurementResult
              (pure data)                   judge addresses, connect, verify, explain

One file a protocol: `tls` is implicit TLS, `https` what HTTPS adds. A protocol that negotiates TLS on a plain
connection first becomes a file of its own that does this on the `stream.Stream` before the session begins
(`attempt.Attempt.session`), and an entry in the table below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from breakwater.probes.reasons import MeasurementResult, Reason, conclude

_IMPLICIT_TLS: Final = frozenset({"HTTPS", "TLS"})


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """No probe exists for this protocol and security yet; `result` says so, as Unknown."""

    protocol: str
    security: str

    @property
    def result(self) -> MeasurementResult:
        """The measurement to show in its place."""
        return conclude(Reason.NOT_MEASURED, protocol=self.protocol, security=self.security)


def probe_for(protocol: str, security: str) -> Literal["Tls"] | NotMeasured:
    """Which probe measures a channel.

    Args:
        protocol: `spec.protocol`.
        security: `spec.endpoint.security`, Implicit or StartTLS, with its default applied.
    """
    if security == "Implicit" and protocol in _IMPLICIT_TLS:
        return "Tls"
    return NotMeasured(protocol, security)
