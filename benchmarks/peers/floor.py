"""The floor: bare Starlette routes that return the same answers from one statement each, written by hand.

    python -m uvicorn --factory benchmarks.peers.floor:from_rows        (or from_json)

No sign-in, no rights, no GraphQL, no limits. `from_rows` reads rows and writes JSON with orjson, `from_json` passes on the
JSON that the database made. The database's URL is in `DATABASE_URL`, the number of messages in `MESSAGES`.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import groupby
from typing import Any, Final

import orjson
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.peers.cases import Case, Kind, cases

_LIST: Final = """SELECT {columns} FROM message
    WHERE district_id = 1 AND created_at >= '2020-01-01T06:00:00Z' AND created_at < '2023-01-01T06:00:00Z'
    AND visible_from <= now(){more} ORDER BY created_at DESC, id DESC LIMIT %(first)s"""
_COLUMNS: Final = """id, external_id, status, type_code, type_label, subject, sender_id, sender_name, created_at,
    scheduled_at, schedule_id, modes"""
_RECIPIENTS: Final = """SELECT m.subject, r.number, r.name, r.student_id, r.student_name, r.contacted, d.number, d.mode,
    d.address, d.status, d.call_status, d.at, d.attempts
    FROM message m JOIN LATERAL (
        SELECT * FROM recipient WHERE message_id = m.id ORDER BY key, number LIMIT %(first)s
    ) r ON true LEFT JOIN delivery d ON d.message_id = r.message_id AND d.recipient_number = r.number
    WHERE m.id = %(message)s AND m.district_id = 1 ORDER BY r.key, r.number, d.number"""
_SUMMARY: Final = """SELECT m.people, m.people_without_device, m.people_contacted, s.started_at, s.ended_at,
    t.mode, t.status, t.deliveries FROM message m
    LEFT JOIN (
        SELECT message_id, mode, status, sum(deliveries)::int AS deliveries FROM tally GROUP BY message_id, mode, status
    ) t ON t.message_id = m.id
    LEFT JOIN LATERAL (
        SELECT min(started_at) AS started_at, max(ended_at) AS ended_at FROM span WHERE message_id = m.id
    ) s ON true WHERE m.id = %(message)s AND m.district_id = 1"""

_LIST_JSON: Final = """SELECT json_build_object('data', json_build_object('messages', json_build_object('nodes',
    coalesce(json_agg(json_build_object('id', 'message.' || id, 'externalId', external_id, 'status', status,
        'type', json_build_object('code', type_code, 'label', type_label), 'subject', subject,
        'sender', json_build_object('id', sender_id, 'name', sender_name), 'createdAt', created_at,
        'scheduledAt', scheduled_at, 'scheduleId', schedule_id,
        'deliveryModes', string_to_array(modes, ','))), '[]'))))::text FROM ({rows}) AS message"""
_RECIPIENTS_JSON: Final = """SELECT json_build_object('data', json_build_object('message', json_build_object(
    'subject', m.subject, 'recipients', json_build_object('nodes', (
        SELECT json_agg(json_build_object('id', 'recipient.' || r.message_id || '.' || r.number, 'name', r.name,
            'student', json_build_object('id', 'student.' || r.student_id, 'name', r.student_name),
            'contactedByPhone', r.contacted, 'deliveries', (
                SELECT json_agg(json_build_object('id',
                    'delivery.' || d.message_id || '.' || d.recipient_number || '.' || d.number, 'mode', d.mode,
                    'address', d.address, 'status', d.status, 'callStatus',
                    CASE WHEN d.call_status IS NOT NULL THEN json_build_object('code', d.call_status) END,
                    'at', d.at, 'attempts', d.attempts) ORDER BY d.number)
                FROM delivery d WHERE d.message_id = r.message_id AND d.recipient_number = r.number)))
        FROM (SELECT * FROM recipient WHERE message_id = m.id ORDER BY key, number LIMIT %(first)s) AS r
    )))))::text FROM message m WHERE m.id = %(message)s AND m.district_id = 1"""
_SUMMARY_JSON: Final = """SELECT json_build_object('data', json_build_object('message', json_build_object(
    'deliverySummary', json_build_object('totalRecipients', m.people, 'totalNoDevice', m.people_without_device,
    'recipientsContactedByPhone', m.people_contacted,
    'startedAt', (SELECT min(started_at) FROM span WHERE message_id = m.id),
    'endedAt', (SELECT max(ended_at) FROM span WHERE message_id = m.id),
    'tallies', (SELECT json_agg(json_build_object('mode', mode, 'status', status, 'count', deliveries)) FROM (
        SELECT mode, status, sum(deliveries) AS deliveries FROM tally WHERE message_id = m.id GROUP BY mode, status
    ) AS tally)))))::text FROM message m WHERE m.id = %(message)s AND m.district_id = 1"""


def _conditions(case: Case) -> str:
    return (" AND subject_key LIKE %(subject)s" if case.subject else "") + (
        " AND (created_at, id) < (%(created_at)s, %(id)s)" if case.is_deep else ""
    )


def _parameters(case: Case, after: str | None) -> Mapping[str, object]:
    created_at, id = orjson.loads(after) if after else (None, None)
    return {
        "first": case.first,
        "message": case.message,
        "subject": f"%{case.subject}%",
        "created_at": created_at,
        "id": id,
    }


# From rows


def list_of(rows: Iterable[Any]) -> object:
    """A page of the log as it is answered, of rows in the order of the columns that are read."""
    return {
        "messages": {
            "nodes": [
                {
                    "id": f"message.{id}",
                    "externalId": external_id,
                    "status": status,
                    "type": {"code": code, "label": label},
                    "subject": subject,
                    "sender": {"id": sender_id, "name": sender},
                    "createdAt": created_at,
                    "scheduledAt": scheduled_at,
                    "scheduleId": schedule_id,
                    "deliveryModes": modes.split(","),
                }
                for (
                    id,
                    external_id,
                    status,
                    code,
                    label,
                    subject,
                    sender_id,
                    sender,
                    created_at,
                    scheduled_at,
                    schedule_id,
                    modes,
                ) in rows
            ]
        }
    }


def _list_of(rows: Sequence[Any], case: Case) -> object:
    return list_of(rows)


def _recipients_of(rows: Sequence[Any], case: Case) -> object:
    nodes = []
    for (number, name, student_id, student, contacted), own in groupby(
        rows, key=lambda row: row[1:6]
    ):
        place = f"{case.message}.{number}"
        nodes.append(
            {
                "id": f"recipient.{place}",
                "name": name,
                "student": {"id": f"student.{student_id}", "name": student},
                "contactedByPhone": contacted,
                "deliveries": [
                    {
                        "id": f"delivery.{place}.{delivery}",
                        "mode": mode,
                        "address": address,
                        "status": status,
                        "callStatus": None if code is None else {"code": code},
                        "at": at,
                        "attempts": attempts,
                    }
                    for *_, delivery, mode, address, status, code, at, attempts in own
                ],
            }
        )
    return {"message": {"subject": rows[0][0], "recipients": {"nodes": nodes}}}


def _summary_of(rows: Sequence[Any], case: Case) -> object:
    people, without_device, contacted, started_at, ended_at, *_ = rows[0]
    summary = {
        "totalRecipients": people,
        "totalNoDevice": without_device,
        "recipientsContactedByPhone": contacted,
        "startedAt": started_at,
        "endedAt": ended_at,
        "tallies": [
            {"mode": mode, "status": status, "count": count} for *_, mode, status, count in rows
        ],
    }
    return {"message": {"deliverySummary": summary}}


_OF_ROWS: Final = {
    Kind.LIST: (_LIST.replace("{columns}", _COLUMNS), _list_of),
    Kind.RECIPIENTS: (_RECIPIENTS, _recipients_of),
    Kind.SUMMARY: (_SUMMARY, _summary_of),
}


async def _rows(connection: AsyncConnection[Any], case: Case, after: str | None) -> bytes:
    statement, shaped = _OF_ROWS[case.kind]
    cursor = connection.cursor(binary=True)
    await cursor.execute(
        statement.replace("{more}", _conditions(case)).encode(), _parameters(case, after)
    )
    return orjson.dumps({"data": shaped(await cursor.fetchall(), case)})


# From JSON

_OF_JSON: Final = {
    Kind.LIST: _LIST_JSON.replace("{rows}", _LIST.replace("{columns}", _COLUMNS)),
    Kind.RECIPIENTS: _RECIPIENTS_JSON,
    Kind.SUMMARY: _SUMMARY_JSON,
}


async def _json(connection: AsyncConnection[Any], case: Case, after: str | None) -> bytes:
    statement = _OF_JSON[case.kind].replace("{more}", _conditions(case))
    cursor = await connection.execute(statement.encode(), _parameters(case, after))
    row = await cursor.fetchone()
    assert row is not None
    answer: str = row[0]
    return answer.encode()


# Serving

Read = Callable[[AsyncConnection[Any], Case, str | None], Awaitable[bytes]]


def _app(read: Read) -> Starlette:
    known = {case.name: case for case in cases(int(os.environ["MESSAGES"]))}
    size = int(os.environ["POOL"])
    options = "-c timezone=UTC -c plan_cache_mode=force_custom_plan -c jit=off"
    pool = AsyncConnectionPool(
        os.environ["DATABASE_URL"],
        kwargs={"autocommit": True, "options": options},
        min_size=size,
        max_size=size,
        open=False,
    )

    async def answer(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        async with pool.connection() as connection:
            content = await read(connection, known[asked["case"]], asked["after"])
        return Response(content, media_type="application/json")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with pool:
            yield

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])], lifespan=lifespan)


from_rows = partial(_app, _rows)
from_json = partial(_app, _json)
