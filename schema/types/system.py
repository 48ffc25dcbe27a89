"""The GraphQL types of the installation."""

from datetime import datetime

import strawberry

from db.upkeep.installation import WorkerRecord
from domain.status import DeliveryMode
from resolvers.audit import system
from schema.binding import describes, plain


@describes(system.Provider)
class ProviderHealth:
    """A gateway to a provider, and what became of the last attempts of all processes."""

    name: str
    modes: list[DeliveryMode]
    is_up: bool = plain(description="False: the last attempts were not accepted.")
    last_accepted_at: datetime | None
    last_failed_at: datetime | None
    last_failure: str | None = plain(
        description="As the provider or the network said it, without addresses."
    )
    limit_per_second: float | None
    waiting: int


@describes(WorkerRecord)
class WorkerHealth:
    """A process that does background work: `sentlog worker`, or on SQLite the server."""

    id: strawberry.ID
    started_at: datetime
    last_seen_at: datetime


@describes(system.SystemState)
class System:
    """How the installation is doing. Counts are of the messages that the viewer may see."""

    version: str
    database_revision: str
    providers: list[ProviderHealth]
    workers: list[WorkerHealth]
    waiting: int = plain(
        description="Deliveries that are due and not handed over, those that pause before a retry among them."
    )
    oldest_waiting_at: datetime | None
    reports_waiting: int
    audit_sealed_until: datetime | None
