"""`POST /ingest`: takes in messages as NDJSON, with `resolvers.ingest.ingest`, as the command line does."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from db.connect.database import Database
from domain.errors import LogError
from domain.viewer import Right
from resolvers.ingest.ingest import Outcome, Uploader, ingest
from resolvers.request.process import Announce, announce_nothing
from server.auth.authenticator import Authenticator
from server.http.request_bodies import read_pieces
from server.http.request_log import current_id
from server.http.responses import json, refusal, require_content_type

CONTENT_TYPE: Final = "application/x-ndjson"

LARGEST: Final = 1024**3
"""The default limit of an upload in bytes."""

_log = structlog.get_logger(__name__)


def route(
    *,
    database: Database,
    authenticator: Authenticator,
    clock: Callable[[], datetime],
    announce: Announce = announce_nothing,
    most: int = LARGEST,
) -> Route:
    """The route. 200: everything was taken in. 422: with the problems. 401, 403, 415: before anything is read.

    413: the upload exceeds `most` bytes, and nothing is taken in.
    """

    async def receive(request: Request) -> Response:
        try:
            viewer = await authenticator.viewer(request.headers.get("authorization"))
            viewer.require(Right.INGEST_MESSAGES)
            require_content_type(request, CONTENT_TYPE)
            body = read_pieces(request, most, advice="Send the messages in several uploads.")
            origin = request.client.host if request.client else None
            outcome = await ingest(
                database,
                body,
                viewer=viewer,
                clock=clock,
                announce=announce,
                by=Uploader(viewer.id, origin, current_id(), viewer.name),
            )
        except LogError as error:
            return refusal(error)
        _log.info(
            "upload taken in",
            messages=outcome.accepted,
            recipients=outcome.recipients,
            refused=outcome.refused,
            warnings=outcome.warning_count,
            district=viewer.district,
        )
        return json(outcome_json(outcome), status=200 if outcome.is_clean else 422)

    return Route("/ingest", receive, methods=["POST"])


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON: what was accepted, what was there already, and what was refused and why."""
    return {
        "lines": outcome.lines,
        "messages": {
            "accepted": outcome.accepted,
            "unchanged": outcome.unchanged,
            "refused": outcome.refused,
        },
        "recipients": outcome.recipients,
        "deliveries": outcome.deliveries,
        "problems": [problem._asdict() for problem in outcome.problems],
        "problemCount": outcome.problem_count,
        "warnings": [warning._asdict() for warning in outcome.warnings],
        "warningCount": outcome.warning_count,
    }
