"""The tables of the installation and of its viewers: saved searches. `db.tables.operations` has those of the work."""

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


SAVED_SEARCH: Final = table_of(SavedSearchTable)
