"""`GET /reports/{id}?ticket=…`: the file of a report, or its progress.

    200, 206, 304   the file, a part of it, or the client's copy is current
    202             not ready: `Retry-After` says when to retry
    403, 404        the link is invalid, expired or for another viewer; the viewer may not see the report
    409, 410        the report failed; it is no longer kept
    416             the requested range is outside of the file

`resolvers.reports.downloads` decides who may have it.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from db.connect.database import Database
from db.reports.records import ReportRecord
from delivery.reports.store import NotStored, ReportStore
from domain.errors import Conflict, Forbidden, LogError
from domain.ids import Kind, spell
from domain.report import CONTENT_TYPES, ReportStatus
from resolvers.reports.downloads import REFUSED, admit, record_download
from server.auth.authenticator import Authenticator
from server.http.request_log import current_id
from server.http.responses import Gone, ResourceNotFound, json, refusal
from server.http.viewer_slots import take_slot

SOON: Final = 2
"""Seconds for `Retry-After`, while the report is not ready."""

HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    # The URL holds the ticket.
    "referrer-policy": "no-referrer",
}

_ONE_RANGE: Final = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)

_UNQUOTABLE: Final = re.compile(r"[^ !#-\[\]-~]")

_log = structlog.get_logger(__name__)


class Part(NamedTuple):
    """The bytes from `start` to before `end`."""

    start: int
    end: int


def route(
    *,
    database: Database,
    store: ReportStore,
    authenticator: Authenticator,
    clock: Callable[[], datetime],
) -> Route:
    """The route, for GET and HEAD."""

    async def answer(request: Request) -> Response:
        # A browser that follows a link sends no sign-in; if there is one, it must match.
        authorization = request.headers.get("authorization")
        viewer = None if authorization is None else await authenticator.viewer(authorization)
        ticket = request.query_params.get("ticket")
        if ticket is None:
            raise Forbidden(REFUSED)
        admission = await admit(
            database,
            request.path_params["id"],
            ticket=ticket,
            viewer=viewer,
            now=clock(),
            origin=request.client.host if request.client else None,
            request_id=current_id(),
        )
        if admission is None:
            raise ResourceNotFound("There is no report with this id that you may see.")
        take_slot(f"{admission.entry.district_id}/{admission.entry.viewer_id}")
        report = admission.report
        if report.status is not ReportStatus.READY:
            return _not_ready(report)
        part, response = _requested_part(request, report)
        if response.status_code in (304, 416) or request.method == "HEAD":
            return response
        assert report.file_key is not None
        pieces = store.get(report.file_key, part.start, part.end)
        try:
            first = await anext(pieces)
        except NotStored:
            _log.error("the file of a report is lost", report_id=spell(Kind.REPORT, report.id))
            raise ResourceNotFound(
                "The file of this report is lost. Ask for the report again."
            ) from None
        await record_download(database, admission)
        return StreamingResponse(_chained(first, pieces), response.status_code, response.headers)

    async def send(request: Request) -> Response:
        try:
            response = await answer(request)
        except LogError as error:
            response = refusal(error)
        response.headers.update(HEADERS)
        return response

    return Route("/reports/{id}", send, methods=["GET"])


def _not_ready(report: ReportRecord) -> Response:
    """The response for a report without a file. Raises `Gone` or `Conflict`."""
    if report.status is ReportStatus.EXPIRED:
        raise Gone("This report is no longer kept: reports are for 24 hours. Ask for it again.")
    if report.status is ReportStatus.FAILED:
        raise Conflict(report.failure or "")
    standing = {"status": report.status, "progressPercent": report.progress_percent}
    return json(standing, status=202, headers={"retry-after": str(SOON)})


def _requested_part(request: Request, report: ReportRecord) -> tuple[Part, Response]:
    """The requested bytes, and the response without them."""
    assert report.byte_size is not None
    size, tag = report.byte_size, f'"{report.sha256}"'
    headers = {
        "content-type": CONTENT_TYPES[report.format],
        "content-disposition": disposition(report.file_name),
        "accept-ranges": "bytes",
        "etag": tag,
    }
    whole = Part(0, size)
    if _names(request.headers.get("if-none-match", ""), tag):
        return whole, Response(status_code=304, headers=headers)
    ranges = request.headers.get("range")
    # If the file has changed, a part of it would not fit the part that the client has.
    if ranges is None or request.headers.get("if-range", tag) != tag:
        part: Part | None = whole
    else:
        part = part_of(ranges, size)
    if part is None:
        beyond = {"content-range": f"bytes */{size}", "content-length": "0"}
        return whole, Response(status_code=416, headers=beyond)
    headers["content-length"] = str(part.end - part.start)
    if part == whole:
        return part, Response(status_code=200, headers=headers)
    headers["content-range"] = f"bytes {part.start}-{part.end - 1}/{size}"
    return part, Response(status_code=206, headers=headers)


def part_of(ranges: str, size: int) -> Part | None:
    """The part that a `Range` names (RFC 9110, 14.2); None if it is outside of the file.

    An invalid range, or several, means the whole file, as the RFC allows.
    """
    match = _ONE_RANGE.fullmatch(ranges)
    first, last = match.groups() if match else ("", "")
    if not first and not last:
        return Part(0, size)
    if not first:
        return Part(max(0, size - int(last)), size) if int(last) and size else None
    if last and int(last) < int(first):
        return Part(0, size)
    if int(first) >= size:
        return None
    return Part(int(first), min(size, int(last) + 1) if last else size)


def _names(header: str, tag: str) -> bool:
    """Whether an `If-None-Match` contains `tag`, in weak comparison (RFC 9110, 13.1.2)."""
    tags = [one.strip().removeprefix("W/") for one in header.split(",")]
    return "*" in tags or tag in tags


def disposition(name: str) -> str:
    """A `Content-Disposition` that saves the file as `name` (RFC 6266): in UTF-8, and in ASCII for old clients."""
    plain = _UNQUOTABLE.sub("_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


async def _chained(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(rest):
        yield first
        async for piece in rest:
            yield piece
