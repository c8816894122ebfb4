"""Mistakes that must be refused before they are stored: one table, judged by the models and by a real API server."""

from tests.kinds_bad_inputs.authority import AUTHORITIES
from tests.kinds_bad_inputs.channel import LOGINS, OUTPUTS
from tests.kinds_bad_inputs.encryption import ENCRYPTION, ENDPOINTS
from tests.kinds_bad_inputs.hardening import POLICIES
from tests.kinds_bad_inputs.rotation import SCHEDULES
from tests.kinds_bad_inputs.table import AUTHORITY, BASES, CHANNEL, POLICY, SCHEDULE, ZONE, BadInput, merged
from tests.kinds_bad_inputs.zone import ZONES

BAD_INPUTS = (*ENDPOINTS, *ENCRYPTION, *LOGINS, *OUTPUTS, *AUTHORITIES, *SCHEDULES, *ZONES, *POLICIES)

__all__ = ["AUTHORITY", "BAD_INPUTS", "BASES", "CHANNEL", "POLICY", "SCHEDULE", "ZONE", "BadInput", "merged"]
