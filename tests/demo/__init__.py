"""The demonstration: the example suite on a real control plane, its web channel proven by a live handshake."""
