"""How many recipients of a message have each outcome."""

from collections.abc import Sequence

from db.log.messages import MessageRecord
from db.log.recipients import OutcomeCount
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.context import Info


@BatchResolver
async def outcomes(root: Sequence[MessageRecord], info: Info) -> Sequence[Sequence[OutcomeCount]]:
    """The count of each outcome, zeros included; none for a purged message, whose recipients are removed."""
    kept = [message.id for message in root if message.purged_at is None]
    counts = dict(zip(kept, await info.context.loaders.outcome_counts.load_all(kept), strict=True))
    return [counts.get(message.id, ()) for message in root]
