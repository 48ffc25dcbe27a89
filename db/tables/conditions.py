"""The conditions of partial indexes. A statement that uses such an index repeats its condition."""

from typing import Final

from sqlalchemy import text

OPEN_DELIVERY: Final = text("status IN ('PENDING', 'IN_PROGRESS')")
TO_BEGIN: Final = text("status = 'WAITING' AND NOT is_recorded")
UNDER_WAY: Final = text(
    "status IN ('IN_PROGRESS', 'ERROR', 'CANCELED', 'CANCELED_IN_PROGRESS') AND has_open AND NOT is_recorded"
)
CLAIMED: Final = text("claim IS NOT NULL")
REFERRED: Final = text("reference IS NOT NULL")
TO_POLL: Final = text("status = 'IN_PROGRESS' AND due_at IS NOT NULL")
HAS_FAILURES: Final = text("has_failures")
NEVER_SENT: Final = text("status = 'FAILED' AND attempts = 0")
"""A delivery that failed because its address cannot be read."""
HAS_CAPITALS: Final = text("lower(external_id) <> external_id")
"""An id of a person with capitals. Others are found by the unique key, so most ids need no second entry."""
