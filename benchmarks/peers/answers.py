"""Converts the answers of all servers to one form: PostGraphile names columns differently, and leaves sums to its client."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from benchmarks.peers.cases import Case, Dialect, Kind


def common(answer: Mapping[str, Any], case: Case, dialect: Dialect) -> object:
    """Return `answer` in a form for comparison. Raises `ValueError` for an answer with errors."""
    if answer.get("errors") or not answer.get("data"):
        raise ValueError(f"{dialect} to {case.name!r}: {str(answer)[:1_000]}")
    data = answer["data"]
    if dialect is Dialect.POSTGRAPHILE:
        data = _RENAMED[case.kind](data)
    if case.kind is Kind.SUMMARY:
        summary = data["message"]["deliverySummary"]
        summary["tallies"].sort(key=lambda tally: (tally["mode"], tally["status"]))
    return _instants(data)


def _instants(value: Any) -> Any:
    """Return the value with its instants parsed, because some have microseconds and some have not."""
    if isinstance(value, dict):
        return {
            name: datetime.fromisoformat(inner)
            if name.endswith("At") or name == "at"
            else _instants(inner)
            for name, inner in value.items()
            if inner is not None
        }
    return [_instants(inner) for inner in value] if isinstance(value, list) else value


def _list(data: Any) -> Any:
    return {"messages": {"nodes": [_message(row) for row in data["allMessages"]["nodes"]]}}


def _message(row: Any) -> Any:
    return {
        "id": f"message.{row['rowId']}",
        "type": {"code": row["typeCode"], "label": row["typeLabel"]},
        "sender": {"id": row["senderId"], "name": row["senderName"]},
        "deliveryModes": row["modes"].split(","),
        **{
            name: row[name]
            for name in (
                "externalId",
                "status",
                "subject",
                "createdAt",
                "scheduledAt",
                "scheduleId",
            )
        },
    }


def _recipients(data: Any) -> Any:
    message = data["messageByRowId"]
    nodes = [_recipient(row) for row in message["recipientsByMessageId"]["nodes"]]
    return {"message": {"subject": message["subject"], "recipients": {"nodes": nodes}}}


def _recipient(row: Any) -> Any:
    place = f"{row['messageId']}.{row['number']}"
    return {
        "id": f"recipient.{place}",
        "name": row["name"],
        "student": {"id": f"student.{row['studentId']}", "name": row["studentName"]},
        "contactedByPhone": row["contacted"],
        "deliveries": [
            {
                "id": f"delivery.{place}.{delivery['number']}",
                "callStatus": None
                if delivery["callStatus"] is None
                else {"code": delivery["callStatus"]},
                **{
                    name: delivery[name] for name in ("mode", "address", "status", "at", "attempts")
                },
            }
            for delivery in row["deliveriesByMessageIdAndRecipientNumber"]["nodes"]
        ],
    }


def _summary(data: Any) -> Any:
    message = data["messageByRowId"]
    counts: Counter[tuple[str, str]] = Counter()
    for tally in message["talliesByMessageId"]["nodes"]:
        counts[tally["mode"], tally["status"]] += tally["deliveries"]
    spans = message["spansByMessageId"]["nodes"]
    summary = {
        "totalRecipients": message["people"],
        "totalNoDevice": message["peopleWithoutDevice"],
        "recipientsContactedByPhone": message["peopleContacted"],
        "startedAt": min(span["startedAt"] for span in spans),
        "endedAt": max(span["endedAt"] for span in spans),
        "tallies": [
            {"mode": mode, "status": status, "count": count}
            for (mode, status), count in counts.items()
        ],
    }
    return {"message": {"deliverySummary": summary}}


_RENAMED = {Kind.LIST: _list, Kind.RECIPIENTS: _recipients, Kind.SUMMARY: _summary}
