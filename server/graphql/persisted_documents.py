"""Persisted documents: those of a manifest, which a client names by id, and those that clients sent with a hash before
(automatic persisted queries, https://www.apollographql.com/docs/react/api/link/persisted-queries).

All transports use it. Documents are validated and measured afterwards, whatever their source.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import orjson

from domain.errors import BadUserInput
from schema.documents.limits import LIMITS
from server.graphql.json_text import read_json
from server.graphql.request import Operation
from server.http.responses import DocumentNotKept
from server.settings.settings import Settings, SettingsError, variable

Mode = Literal["off", "allow", "only"]

MOST: Final = 1_000
MOST_CHARACTERS: Final = 2 * 1024 * 1024
"""The characters of all documents that clients sent with a hash; the oldest are dropped."""

_APOLLO: Final = "apollo-persisted-query-manifest"
_PREFIX: Final = "sha256:"


class NotSupported(BadUserInput):
    """Documents by id are switched off."""

    code = "PERSISTED_QUERY_NOT_SUPPORTED"


class NotListed(BadUserInput):
    """The document is not in the manifest."""

    code = "PERSISTED_QUERY_NOT_IN_LIST"


class PersistedDocuments:
    """The persisted documents."""

    def __init__(
        self,
        listed: Mapping[str, str] | None = None,
        *,
        mode: Mode = "off",
        most: int = MOST,
        most_characters: int = MOST_CHARACTERS,
    ) -> None:
        """`listed`: texts by id. The mode `only` accepts nothing else; `off` ignores the list."""
        self._listed = {} if mode == "off" else dict(listed or {})
        self._texts = frozenset(self._listed.values())
        self._mode = mode
        self._sent: OrderedDict[str, str] = OrderedDict()
        self._characters = 0
        self._most, self._most_characters = most, most_characters

    def resolve(self, requested: Operation) -> Operation:
        """The operation with its text. Raises `BadUserInput`, `NotSupported`, `NotListed` or `DocumentNotKept`."""
        if requested.document_id is not None:
            return requested._replace(query=self._by_id(requested.document_id))
        if not requested.query:
            assert requested.sha256 is not None, "an operation has a text, an id or a hash"
            return requested._replace(query=self._by_hash(requested.sha256))
        if requested.sha256 is not None and hashlib.sha256(
            requested.query.encode()
        ).hexdigest() != (requested.sha256):
            raise BadUserInput(
                "`extensions.persistedQuery.sha256Hash` is not the SHA-256 of `query`, in UTF-8. Correct it, or leave it out."
            )
        if self._mode == "only":
            if requested.query not in self._texts:
                raise NotListed(
                    "This log takes only documents of its list, and this is none of them. "
                    "Have it added to the list, or ask by one that is there."
                )
        elif requested.sha256 is not None:
            self._keep(requested.sha256, requested.query)
        return requested

    def _by_id(self, id: str) -> str:
        if self._mode == "off":
            raise NotSupported("This log has no list of documents. Send the text in `query`.")
        text = self._listed.get(id) or self._listed.get(id.removeprefix(_PREFIX))
        if text is None:
            raise NotListed("The list of documents has none of this `documentId`. Have it added.")
        return text

    def _by_hash(self, sha256: str) -> str:
        # Apollo Client sends the ids of its manifest as hashes.
        if sha256 in self._listed:
            return self._listed[sha256]
        if self._mode == "only":
            raise NotListed("The list of documents has none of this hash. Have it added.")
        if sha256 not in self._sent:
            raise DocumentNotKept("PersistedQueryNotFound")
        self._sent.move_to_end(sha256)
        return self._sent[sha256]

    def _keep(self, sha256: str, text: str) -> None:
        if sha256 in self._sent or len(text) > LIMITS.bytes:
            return
        self._sent[sha256] = text
        self._characters += len(text)
        while len(self._sent) > self._most or self._characters > self._most_characters:
            _, oldest = self._sent.popitem(last=False)
            self._characters -= len(oldest)


def documents_of(settings: Settings) -> PersistedDocuments:
    """The persisted documents that the settings name. Raises `SettingsError`."""
    if settings.documents_mode == "off":
        return PersistedDocuments()
    if settings.documents is None:
        _refuse("is not set", "Name the file that lists the documents")
    return PersistedDocuments(read_manifest(settings.documents), mode=settings.documents_mode)


def read_manifest(file: Path) -> Mapping[str, str]:
    """The texts of a manifest by id: of Apollo's generate-persisted-query-manifest, of Relay or of graphql-codegen.

    Raises `SettingsError`.
    """
    try:
        value: Any = read_json(file.read_bytes())
    except OSError as problem:
        _refuse(f"cannot be read from {file}: {problem.strerror}", "Correct the path")
    except orjson.JSONDecodeError:
        _refuse(f"{file} is not JSON in UTF-8", "Generate it again")
    except BadUserInput as problem:
        _refuse(f"{file} cannot be read: {problem.message}", "Generate it again")
    if isinstance(value, dict) and value.get("format") == _APOLLO:
        if value.get("version") != 1:
            _refuse(f"{file} is of a version that is not known", "Make it in version 1")
        try:
            value = {one["id"]: one["body"] for one in value["operations"]}
        except (KeyError, TypeError):
            value = None
    if not isinstance(value, dict) or not all(
        isinstance(id, str) and isinstance(text, str) for id, text in value.items()
    ):
        _refuse(
            f"{file} is no list of documents",
            f"Give one of Apollo's ({_APOLLO}), or an object of texts by id",
        )
    return value


def _refuse(problem: str, remedy: str) -> NoReturn:
    mode = variable("documents_mode")
    raise SettingsError(f"{variable('documents')}: it {problem}. {remedy}, or set {mode} to off.")
