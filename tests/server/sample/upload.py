"""Reads sample lines the slow and obvious way, for tests: no code of the product's own reader or counting is used.

The format is written down here a second time, on purpose: field by field, as its description has it.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

MODES: Final = {"INBOX", "EMAIL", "VOICE", "TEXT"}
DELIVERY_STATUSES: Final = {
    "PENDING",
    "IN_PROGRESS",
    "SENT",
    "DELIVERED",
    "FAILED",
    "CANCELED",
    "OPTED_OUT",
}
MESSAGE_STATUSES: Final = {
    "WAITING",
    "IN_PROGRESS",
    "SENT",
    "ERROR",
    "CANCELED",
    "CANCELED_IN_PROGRESS",
}
SUCCESSES: Final = {5, 6, 13, -27, -28}

Json = dict[str, Any]


@dataclass
class Entry:
    """A message with its recipients, as its lines give them."""

    message: Json
    recipients: list[Json] = field(default_factory=list)

    @property
    def deliveries(self) -> list[Json]:
        return [device for recipient in self.recipients for device in recipient["devices"]]

    @property
    def created_at(self) -> datetime:
        return datetime.fromisoformat(self.message["createdAt"])

    @property
    def statuses(self) -> list[str]:
        """Where the deliveries stand; a text without a status is an opt-out of the older log."""
        return [device.get("status", "OPTED_OUT") for device in self.deliveries]


@dataclass
class Upload:
    """The content of all lines."""

    districts: dict[str, Json] = field(default_factory=dict)
    schools: dict[str, Json] = field(default_factory=dict)
    messages: list[Entry] = field(default_factory=list)

    @property
    def deliveries(self) -> list[Json]:
        return [device for entry in self.messages for device in entry.deliveries]

    @property
    def codes(self) -> set[int]:
        return {device["callStatus"] for device in self.deliveries if "callStatus" in device}

    def check_statuses(self) -> None:
        """Fail unless each status agrees with the deliveries of its message, and each call code with its delivery."""
        assert {
            entry.message["id"]: found
            for entry in self.messages
            if (found := contradictions(entry))
        } == {}
        for device in self.deliveries:
            if "callStatus" in device:
                is_confirmed = device.get("confirmed", False)
                expected = expected_status(device["callStatus"], confirmed=is_confirmed)
                assert device["status"] == expected, device

    def of(self, ident: str) -> Entry:
        return next(entry for entry in self.messages if entry.message["id"] == ident)


def read(lines: Iterable[bytes]) -> Upload:
    """The upload that the lines make; an `AssertionError` names the first line that the format does not allow."""
    upload = Upload()
    open_message: Entry | None = None
    seen: set[str] = set()
    for number, raw in enumerate(lines, start=1):
        assert raw.endswith(b"\n"), (number, raw)
        assert raw.count(b"\n") == 1, (number, raw)
        line = json.loads(raw.decode("utf-8"))
        at = (number, line)
        match line["kind"]:
            case "district":
                assert set(line) == {"kind", "id", "name", "timeZone", "hasVoice", "callWindow"}, at
                upload.districts[line["id"]] = line
            case "school":
                assert set(line) == {"kind", "id", "district", "name"}, at
                assert line["district"] in upload.districts, at
                upload.schools[line["id"]] = line
            case "message":
                assert open_message is None, at
                check_message(line, upload, at)
                assert line["id"] not in seen, at
                seen.add(line["id"])
                open_message = Entry(line)
            case "recipient":
                assert open_message is not None, at
                check_recipient(line, open_message.message, at)
                open_message.recipients.append(line)
            case "end":
                assert open_message is not None, at
                assert line == {"kind": "end", "message": open_message.message["id"]}, at
                upload.messages.append(open_message)
                open_message = None
            case _:
                raise AssertionError(at)
    assert open_message is None, "the last message has no end"
    return upload


def check_message(line: Json, upload: Upload, at: object) -> None:
    required = {
        "kind",
        "id",
        "district",
        "school",
        "type",
        "subject",
        "body",
        "bodyFormat",
        "sender",
    }
    required |= {"createdAt", "scheduledAt", "source", "modes"}
    optional = {
        "textBody",
        "voiceScript",
        "replyTo",
        "scheduleId",
        "filterCriteria",
        "category",
        "status",
        "cancellation",
    }
    assert required <= set(line) <= required | optional, at
    assert line["district"] in upload.districts, at
    assert line["school"] is None or line["school"] in upload.schools, at
    assert set(line["type"]) == {"code", "label"}, at
    assert line["type"]["code"] != "OLR", at
    assert line["subject"], at
    assert line["body"], at
    assert line["bodyFormat"] in {"PLAIN", "HTML"}, at
    assert line["source"] in {"TEMPLATE", "SCHEDULER", "SYSTEM"}, at
    assert set(line["sender"]) == {"id", "name"}, at
    assert line["modes"], at
    assert len(set(line["modes"])) == len(line["modes"]), at
    assert set(line["modes"]) <= MODES, at
    check_instant(line["createdAt"], at)
    check_instant(line["scheduledAt"], at)
    for criterion in line["filterCriteria"]:
        assert set(criterion) == {"label", "value"}, at
    if "status" in line:
        assert line["status"] in MESSAGE_STATUSES, at
    if "cancellation" in line:
        assert line["status"] in {"CANCELED", "CANCELED_IN_PROGRESS"}, at
        check_instant(line["cancellation"]["at"], at)


def check_recipient(line: Json, message: Json, at: object) -> None:
    assert set(line) == {"kind", "message", "person", "student", "devices"}, at
    assert line["message"] == message["id"], at
    assert set(line["person"]) == {"id", "name"}, at
    assert line["student"] is None or set(line["student"]) == {"id", "name"}, at
    for device in line["devices"]:
        outcome = set(device) - {"mode", "address"}
        assert outcome <= {"status", "callStatus", "confirmed", "at"}, at
        assert "status" in message or not outcome, at
        assert device["mode"] in message["modes"], at
        check_address(device["mode"], device["address"], at)
        assert device.get("status", "SENT") in DELIVERY_STATUSES, at
        assert "callStatus" not in device or device["mode"] in {"VOICE", "TEXT"}, at
        assert "confirmed" not in device or (
            device["mode"] == "VOICE" and device["confirmed"] is True
        ), at
        if "at" in device:
            check_instant(device["at"], at)


def check_instant(text: str, at: object) -> None:
    assert datetime.fromisoformat(text).tzinfo is not None, at


def check_address(mode: str, address: str, at: object) -> None:
    pattern = {
        "INBOX": r"\S+",
        "EMAIL": r"[^@\s]+@(nomail\.com|[A-Za-z0-9.-]+\.example)",
        # The exchange 555 rings nowhere.
        "VOICE": r"\+1[2-9]\d\d555\d{4}",
        "TEXT": r"\+1[2-9]\d\d555\d{4}",
    }[mode]
    assert re.fullmatch(pattern, address, re.IGNORECASE), at


def contradictions(entry: Entry) -> list[str]:
    """What a message's status says that its deliveries do not (rules of the log, 4)."""
    statuses = entry.statuses
    phones = [
        d.get("status", "OPTED_OUT") for d in entry.deliveries if d["mode"] in {"VOICE", "TEXT"}
    ]
    still_open = {"PENDING", "IN_PROGRESS"} & set(statuses)
    has_left = {"SENT", "DELIVERED", "FAILED"} & set(statuses)
    match entry.message["status"]:
        case "WAITING":
            holds = {
                "at least one waits": "PENDING" in statuses,
                "none is under way": "IN_PROGRESS" not in statuses,
            }
        case "IN_PROGRESS":
            holds = {
                "some are open": bool(still_open),
                "none was stopped": "CANCELED" not in statuses,
            }
        case "SENT":
            holds = {"none is open": not still_open, "none was stopped": "CANCELED" not in statuses}
        case "ERROR":
            others = len([s for s in statuses if s == "IN_PROGRESS"]) - phones.count("IN_PROGRESS")
            holds = {
                "a call or text is owed": "IN_PROGRESS" in phones,
                "nothing else is": others == 0 and "PENDING" not in statuses,
                "none was stopped": "CANCELED" not in statuses,
            }
        case "CANCELED":
            holds = {"all were stopped": set(statuses) <= {"CANCELED"}}
        case "CANCELED_IN_PROGRESS":
            holds = {
                "some were stopped": "CANCELED" in statuses,
                "some had left": bool(has_left),
                "none is open": not still_open,
            }
        case other:
            holds = {f"{other} is a status": False}
    return [rule for rule, is_kept in holds.items() if not is_kept]


def expected_status(code: int, *, confirmed: bool) -> str:
    """Where a delivery with this call code stands."""
    if confirmed or code in {5, 6, 13, -28}:
        return "DELIVERED"
    if code == -27:
        return "SENT"
    if code == -33:
        return "OPTED_OUT"
    # Not the last word: a redial follows, the text is queued, or nobody knows the code.
    if code in {17, -39, 77}:
        return "IN_PROGRESS"
    return "FAILED"


def figures(entry: Entry) -> dict[str, int]:
    """The figures of the Delivery Summary, counted one by one (rules of the log, 3)."""
    people = {recipient["person"]["id"] for recipient in entry.recipients}
    armed = {recipient["person"]["id"] for recipient in entry.recipients if recipient["devices"]}
    reached = {
        device["address"]
        for device in entry.deliveries
        if device["mode"] in {"VOICE", "TEXT"}
        and (device.get("callStatus") in SUCCESSES or device.get("confirmed"))
    }
    contacted = {
        recipient["person"]["id"]
        for recipient in entry.recipients
        for device in recipient["devices"]
        if device["address"] in reached
    }

    def addresses(mode: str, *statuses: str) -> int:
        return len(
            {
                device["address"].casefold()
                for device in entry.deliveries
                if device["mode"] == mode and (not statuses or device.get("status") in statuses)
            }
        )

    return {
        "Total Recipients": len(people),
        "Total No Device": len(people - armed),
        "Total Inbox": addresses("INBOX", "SENT", "DELIVERED"),
        "Total Emails": addresses("EMAIL"),
        "Total Voice": addresses("VOICE"),
        "Total Text": addresses("TEXT"),
        "Recipients contacted by phone": len(contacted),
        "Recipients not contacted by phone": len(people - contacted),
    }
