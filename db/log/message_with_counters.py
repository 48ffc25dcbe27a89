"""Messages together with their counters, in one statement. `db.log.counters` reads counters alone."""

from collections.abc import Mapping, Sequence
from typing import Final

from db.connect.single_statement import Source, rows_of
from db.log.counters import COLUMNS, SPAN_OF_TALLY, Counters, by_message
from db.log.messages import MessageRecord, by_ids
from db.log.visibility import Visibility, visibility_parameters
from db.tables.log import MESSAGE, SPAN, TALLY

_WIDTH: Final = len(MessageRecord._fields)
_BY_IDS: Final = {
    limited: by_ids(limited=limited)
    .outerjoin(TALLY, TALLY.c.message_id == MESSAGE.c.id)
    .outerjoin(SPAN, SPAN_OF_TALLY)
    .add_columns(*COLUMNS)
    for limited in (False, True)
}


async def counted_messages(
    source: Source, ids: Sequence[int], *, visibility: Visibility
) -> Mapping[int, tuple[MessageRecord, Counters]]:
    """Return the visible messages with these ids, each with its counters."""
    statement = _BY_IDS[visibility.school_ids is not None]
    rows = await rows_of(source, statement, {"ids": ids, **visibility_parameters(visibility)})
    messages = {row[0]: MessageRecord(*row[:_WIDTH]) for row in rows}
    counters = by_message(row[_WIDTH:] for row in rows)
    return {id: (message, counters.get(id, Counters())) for id, message in messages.items()}
