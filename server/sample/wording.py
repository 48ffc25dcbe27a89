"""The texts of the messages of the sample year, and how each type is sent, from `wording.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from domain.message import BodyFormat, Source
from domain.status import DeliveryMode
from server.sample.line import MessageType


class Audience(StrEnum):
    """The audience of messages of a kind."""

    CONTACTS_OF_STUDENTS = "students"
    CONTACTS = "contacts"
    STUDENTS = "pupils"
    STAFF = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """One version of the texts, with `{school}` and `{day}` as placeholders; `level` null fits every kind of school."""

    subject: str
    body: str
    format: BodyFormat
    text: str | None
    voice: str | None
    level: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKind:
    """Messages with one type, one audience and the same modes."""

    name: str
    type: MessageType
    category: str | None
    source: Source
    audience: Audience
    modes: tuple[DeliveryMode, ...]
    wordings: tuple[Wording, ...]

    def fitting(self, level: str) -> tuple[Wording, ...]:
        """The wordings for a school of `level`, or for the district."""
        return tuple(wording for wording in self.wordings if wording.level in (None, level))


@cache
def kinds() -> Mapping[str, MessageKind]:
    """Every kind by its name: by default the type's code in lower case."""
    with (files("server.sample") / "wording.toml").open("rb") as file:
        entries = tomllib.load(file)["type"]
    known = (_kind(entry) for entry in entries)
    return MappingProxyType({kind.name: kind for kind in known})


def _kind(entry: Mapping[str, Any]) -> MessageKind:
    return MessageKind(
        name=entry.get("name", entry["code"].lower().replace("_", "-")),
        type={"code": entry["code"], "label": entry["label"]},
        category=entry.get("category"),
        source=Source(entry["source"]),
        audience=Audience(entry["to"]),
        modes=tuple(DeliveryMode(mode) for mode in entry["modes"]),
        wordings=tuple(_wording(wording) for wording in entry["wording"]),
    )


def _wording(entry: Mapping[str, str]) -> Wording:
    return Wording(
        subject=entry["subject"],
        body=entry["body"],
        format=BodyFormat(entry.get("format", BodyFormat.PLAIN)),
        text=entry.get("text"),
        voice=entry.get("voice"),
        level=entry.get("level"),
    )
