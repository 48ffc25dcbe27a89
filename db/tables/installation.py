"""The tables of the installation and of its viewers: workers, providers, saved searches.

`db.tables.operations` has those of the work.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field

from db.sql.column_types import BigInt, Instant, KeyText, TableModel, table_of


class SavedSearchTable(TableModel, table=True):
    """A search that a viewer saved under a name."""

    __table_args__ = (UniqueConstraint("district_id", "viewer_id", "key"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInt)
    district_id: int = Field(foreign_key="district.id")
    viewer_id: str
    """The id in the sign-in. It is unique within the district."""
    name: str
    key: str = Field(sa_type=KeyText)
    """The folded name: by it the viewer's searches are sorted and distinguished."""
    arguments: str = Field(sa_type=Text)
    """The arguments of `messages` as JSON, as the client wrote them."""
    created_at: datetime = Field(sa_type=Instant)
    """When it was saved last."""


class WorkerTable(TableModel, table=True):
    """A process that does background work, while it runs. Both instants are by the clock of the database."""

    id: str = Field(primary_key=True, max_length=32)
    """A random name; the process has it until it ends."""
    started_at: datetime = Field(sa_type=Instant)
    last_seen_at: datetime = Field(sa_type=Instant)


class ProviderHealthTable(TableModel, table=True):
    """The last attempts at a provider, of all processes together; written seldom (`delivery.dispatch.provider_health`)."""

    account: str = Field(primary_key=True)
    """The name of the gateway; for an account of one district, behind the district's external id and a slash."""
    is_up: bool
    """Whether the provider accepted something of the last attempt."""
    last_accepted_at: datetime | None = Field(default=None, sa_type=Instant)
    last_failed_at: datetime | None = Field(default=None, sa_type=Instant)
    last_failure: str | None = None
    """What the provider or the network said, without addresses."""


WORKER: Final = table_of(WorkerTable)
PROVIDER_HEALTH: Final = table_of(ProviderHealthTable)
SAVED_SEARCH: Final = table_of(SavedSearchTable)
