"""Authorities, the schedules by which things rotate, and the trust in them that namespaces receive."""
