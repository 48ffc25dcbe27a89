"""Persisted documents by id and by hash: modes, manifests, and all transports."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from domain.errors import BadUserInput
from server.graphql.persisted_documents import (
    Mode,
    NotListed,
    NotSupported,
    PersistedDocuments,
    documents_of,
    read_manifest,
)
from server.graphql.request import Operation
from server.http.responses import DocumentNotKept
from server.settings.settings import Settings, SettingsError
from tests.server.calling import Caller, body_of, calling, error

LISTED: Final = "query Listed { viewer { id } }"
OTHER: Final = "query Other { viewer { name } }"
LIST: Final = {"a1": LISTED}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def asked(
    query: str = "", *, document_id: str | None = None, sha256: str | None = None
) -> Operation:
    return Operation(query, None, None, document_id, sha256)


def by_id(id: str) -> Operation:
    return asked(document_id=id)


def by_hash(hash: str) -> Operation:
    return asked(sha256=hash)


@pytest.mark.parametrize(
    ("mode", "operation", "outcome"),
    [
        ("off", asked(OTHER), OTHER),
        ("off", by_id("a1"), NotSupported),
        ("off", by_hash("a1"), DocumentNotKept),
        ("allow", asked(OTHER), OTHER),
        ("allow", by_id("a1"), LISTED),
        ("allow", by_id("sha256:a1"), LISTED),
        ("allow", by_id("a2"), NotListed),
        ("allow", by_hash("a1"), LISTED),
        ("allow", by_hash("a2"), DocumentNotKept),
        ("allow", asked(OTHER, sha256=sha256(OTHER)), OTHER),
        ("allow", asked(OTHER, sha256=sha256(LISTED)), BadUserInput),
        ("only", asked(LISTED), LISTED),
        ("only", asked(LISTED, sha256=sha256(LISTED)), LISTED),
        ("only", asked(LISTED + " "), NotListed),
        ("only", asked(OTHER), NotListed),
        ("only", asked(OTHER, sha256=sha256(OTHER)), NotListed),
        ("only", by_id("a1"), LISTED),
        ("only", by_id("a2"), NotListed),
        ("only", by_hash("a1"), LISTED),
        ("only", by_hash(sha256(LISTED)), NotListed),
    ],
)
def test_what_is_taken_in_which_mode(
    mode: Mode, operation: Operation, outcome: str | type[BadUserInput]
) -> None:
    trusted = PersistedDocuments(LIST, mode=mode)
    if isinstance(outcome, str):
        assert trusted.resolve(operation) == operation._replace(query=outcome)
        return
    with pytest.raises(BadUserInput) as refused:
        trusted.resolve(operation)
    assert type(refused.value) is outcome


@pytest.mark.parametrize("mode", ["off", "allow"])
def test_what_was_sent_with_its_hash_is_known_by_it(mode: Mode) -> None:
    trusted = PersistedDocuments(LIST, mode=mode)
    trusted.resolve(asked(OTHER, sha256=sha256(OTHER)))

    assert trusted.resolve(by_hash(sha256(OTHER))).query == OTHER


def test_what_is_refused_is_not_kept() -> None:
    trusted = PersistedDocuments(mode="allow")
    with pytest.raises(BadUserInput):
        trusted.resolve(asked(OTHER, sha256=sha256(LISTED)))

    for text in (OTHER, LISTED):
        with pytest.raises(DocumentNotKept):
            trusted.resolve(by_hash(sha256(text)))


@pytest.mark.parametrize("bound", [{"most": 2}, {"most_characters": 2 * len("{ a0 }")}])
def test_those_that_were_not_asked_for_longest_are_forgotten(bound: dict[str, int]) -> None:
    trusted = PersistedDocuments(**bound)  # type: ignore[arg-type]
    texts = [f"{{ a{number} }}" for number in range(3)]
    for text in texts[:2]:
        trusted.resolve(asked(text, sha256=sha256(text)))
    trusted.resolve(by_hash(sha256(texts[0])))
    trusted.resolve(asked(texts[2], sha256=sha256(texts[2])))

    assert [trusted.resolve(by_hash(sha256(texts[number]))).query for number in (0, 2)] == [
        texts[0],
        texts[2],
    ]
    with pytest.raises(DocumentNotKept):
        trusted.resolve(by_hash(sha256(texts[1])))


def test_a_text_that_is_too_long_to_be_asked_is_not_kept() -> None:
    trusted, long = PersistedDocuments(), "#" * 65_537
    trusted.resolve(asked(long, sha256=sha256(long)))

    with pytest.raises(DocumentNotKept):
        trusted.resolve(by_hash(sha256(long)))


APOLLO: Final = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [{"id": "a1", "name": "Listed", "type": "query", "body": LISTED}],
}


@pytest.mark.parametrize(
    "manifest",
    [APOLLO, LIST, {**LIST, "format": OTHER}],
    ids=["Apollo", "Relay and graphql-codegen", "format as id"],
)
def test_a_list_is_read_as_clients_write_it(tmp_path: Path, manifest: Any) -> None:
    file = tmp_path / "documents.json"
    file.write_text(json.dumps(manifest))

    assert read_manifest(file)["a1"] == LISTED


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "documents.json is not JSON in UTF-8. Generate it again"),
        ("[]", "documents.json is no list of documents."),
        ('{"a1": 5}', "documents.json is no list of documents."),
        (json.dumps({**APOLLO, "version": 2}), "documents.json is of a version that is not known."),
        (json.dumps({**APOLLO, "operations": [{"id": "a1"}]}), "is no list of documents."),
        (json.dumps({**APOLLO, "operations": 5}), "is no list of documents."),
        (None, "documents.json: No such file or directory. Correct the path"),
    ],
)
def test_an_unusable_manifest_is_refused_with_the_reason(
    tmp_path: Path, text: str | None, problem: str
) -> None:
    file = tmp_path / "documents.json"
    if text is not None:
        file.write_text(text)

    with pytest.raises(SettingsError) as refused:
        read_manifest(file)

    (line,) = refused.value.problems
    assert line.startswith("SENTLOG_DOCUMENTS: it ")
    assert problem in line
    assert line.endswith(", or set SENTLOG_DOCUMENTS_MODE to off.")


def test_a_mode_needs_its_list() -> None:
    with pytest.raises(SettingsError) as refused:
        documents_of(Settings(documents_mode="only"))

    assert refused.value.problems == (
        "SENTLOG_DOCUMENTS: it is not set. Name the file that lists the documents, or set SENTLOG_DOCUMENTS_MODE to off.",
    )


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Caller]:
    folder = tmp_path_factory.mktemp("trusted")
    file = folder / "documents.json"
    file.write_text(json.dumps(LIST))
    with calling(folder, sqlite_template, documents=file, documents_mode="allow") as caller:
        yield caller


ANSWERED: Final = {"data": {"viewer": {"id": "u1"}}}


def test_over_http_an_id_stands_for_its_text(caller: Caller) -> None:
    answer = caller.post(json.dumps({"documentId": "a1"}))

    assert (answer.status_code, body_of(answer)) == (200, ANSWERED)


def test_over_http_an_id_that_is_not_listed_is_refused(caller: Caller) -> None:
    answer = caller.post(json.dumps({"documentId": "a2"}))

    assert (answer.status_code, answer.json()) == (
        400,
        error(
            "The list of documents has none of this `documentId`. Have it added.",
            "PERSISTED_QUERY_NOT_IN_LIST",
        ),
    )


def test_over_http_a_hash_is_asked_back_once(caller: Caller) -> None:
    hash = {"persistedQuery": {"version": 1, "sha256Hash": sha256(OTHER)}}
    first, second, third = (
        caller.post(json.dumps({"extensions": hash, **rest})) for rest in ({}, {"query": OTHER}, {})
    )

    assert (first.status_code, first.json()) == (
        200,
        error("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND"),
    )
    named = {"data": {"viewer": {"name": "Administrator, System"}}}
    assert [body_of(second), body_of(third)] == [named, named]


def test_over_a_websocket_it_is_the_same(caller: Caller) -> None:
    client: Any = caller.client
    unknown = {"persistedQuery": {"version": 1, "sha256Hash": "b1"}}
    with client.websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:

        def hear(payload: Any) -> Any:
            socket.send_json({"type": "subscribe", "id": "1", "payload": payload})
            return socket.receive_json()

        init = {"Authorization": f"Bearer {caller.token()}"}
        socket.send_json({"type": "connection_init", "payload": init})
        assert socket.receive_json() == {"type": "connection_ack"}

        assert hear({"documentId": "a1"})["payload"]["data"] == ANSWERED["data"]
        assert socket.receive_json() == {"type": "complete", "id": "1"}
        for payload, code in (
            ({"documentId": "a2"}, "PERSISTED_QUERY_NOT_IN_LIST"),
            ({"extensions": unknown}, "PERSISTED_QUERY_NOT_FOUND"),
        ):
            said = hear(payload)
            assert said["type"] == "error"
            assert [one["extensions"] for one in said["payload"]] == [{"code": code}]
