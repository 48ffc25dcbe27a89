"""Limits of connections: sizes, timeouts and counts."""

from pydantic import BaseModel, Field


class ConnectionSettings(BaseModel):
    """Limits of connections. A description completes the sentence "It takes …" of an error."""

    connections: int = Field(
        default=1_000, ge=1, description="the connections that a server process holds at once"
    )
    viewer_connections: int = Field(
        default=100,
        ge=1,
        description="the requests and WebSockets that one viewer has at once in a server process",
    )
    viewer_subscriptions: int = Field(
        default=100,
        ge=1,
        description="the operations that one viewer has at once on WebSockets and streams of events",
    )
    ingest_bytes: int = Field(
        default=1024**3, ge=1, description="the bytes that one upload to /ingest may have"
    )
    header_bytes: int = Field(
        default=32 * 1024, ge=1024, description="the bytes of a request's head, from 1024 on"
    )
    header_seconds: float = Field(
        default=10.0, gt=0, description="the seconds until the head of a request is whole"
    )
    body_seconds: float = Field(
        default=30.0, gt=0, description="the seconds for which a body may keep the server waiting"
    )
    answer_seconds: float = Field(
        default=30.0, gt=0, description="the seconds for which an answer may wait to be taken"
    )
    keep_alive_seconds: int = Field(
        default=75, ge=1, description="the seconds for which an idle connection is kept"
    )
    process_seconds: int = Field(
        default=30,
        ge=1,
        description="the seconds in which a process of `serve --workers` answers its supervisor",
    )
