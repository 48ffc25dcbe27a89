"""Alembic's environment: runs the migrations on the connection in its configuration."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import TypeDecorator
from sqlmodel import SQLModel

from db.migrations import is_declared


def render(kind: str, thing: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """Render our column types as their plain types, so that a migration does not change when our types do."""
    if kind == "type" and isinstance(thing, TypeDecorator):
        return f"sa.{thing.impl_instance!r}"
    return False


connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit(
        "Run the migrations with `sentlog migrate`: the alembic command does not know the database."
    )
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_item=render,
    include_object=is_declared,
)
with context.begin_transaction():
    context.run_migrations()
