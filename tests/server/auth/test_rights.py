"""Rights in a token: our own names, mapped names; unknown names give no right and are logged once."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from domain.errors import Unauthenticated
from domain.viewer import Right
from server.auth.authenticator import Authenticator
from server.auth.key_sources import connect_keys
from server.auth.rights import MOST_UNKNOWN, RightsReader
from server.settings.settings import Settings
from tests.server.auth.signing import Clock, claims, no_client, settings, signed

MAPPED: Final = {
    "Sentlog Admins": (Right.VIEW_LOG, Right.VIEW_AUDIT),
    "Admins": (Right.CANCEL_MESSAGES,),
    "readers": (Right.VIEW_LOG,),
    "offline_access": (),
    "VIEW_RECIPIENTS": (Right.CREATE_REPORTS,),
}
DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "settings.md"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["Sentlog Admins"], {Right.VIEW_LOG, Right.VIEW_AUDIT}),
        (["Sentlog Admins", "Admins"], {Right.VIEW_LOG, Right.VIEW_AUDIT, Right.CANCEL_MESSAGES}),
        (["readers", "INGEST_MESSAGES"], {Right.VIEW_LOG, Right.INGEST_MESSAGES}),
        (["VIEW_RECIPIENTS"], {Right.VIEW_RECIPIENTS, Right.CREATE_REPORTS}),
        (["offline_access"], set()),
        (["Not Admins"], set()),
        (["Admins,readers"], set()),
        (["sentlog admins", "READERS", " readers"], set()),
        ("Sentlog Admins", {Right.VIEW_LOG, Right.VIEW_AUDIT}),
        (" Sentlog Admins\n", {Right.VIEW_LOG, Right.VIEW_AUDIT}),
        ("readers Admins", {Right.VIEW_LOG, Right.CANCEL_MESSAGES}),
        ("readers,Admins", {Right.VIEW_LOG, Right.CANCEL_MESSAGES}),
        ("VIEW_LOG,VIEW_AUDIT", {Right.VIEW_LOG, Right.VIEW_AUDIT}),
        ("VIEW_LOG, VIEW_AUDIT", {Right.VIEW_LOG, Right.VIEW_AUDIT}),
        (" VIEW_LOG ,, VIEW_AUDIT, ", {Right.VIEW_LOG, Right.VIEW_AUDIT}),
        ("VIEW_LOG;VIEW_AUDIT", set()),
    ],
)
async def test_groups_and_roles_give_the_rights_that_they_are_mapped_to(
    value: object, expected: set[Right]
) -> None:
    token = signed(claims(groups=value))
    viewer = await authenticator(jwt_claim_rights="groups", jwt_rights=MAPPED).viewer(
        f"Bearer {token}"
    )

    assert viewer.rights == expected


def authenticator(**fields: Any) -> Authenticator:
    said, clock = settings(**fields), Clock()
    return Authenticator(said, connect_keys(said, no_client(), clock=clock), clock=clock)


async def test_an_unknown_right_is_logged_once_by_ids() -> None:
    found = authenticator(jwt_rights=MAPPED)
    rights = ["VIEW_LOG", "readers", "offline_access", "uma_authorization", "Heather's Parents", ""]
    with capture_logs() as lines:
        for id in ("u1", "u2"):
            await found.viewer(f"Bearer {signed(claims(sub=id, rights=rights))}")

    line = {
        "event": "unknown right in a token",
        "log_level": "info",
        "viewer": "u1",
        "district": "plainview",
    }
    assert lines == [{**line, "right": "uma_authorization"}, {**line, "right": None}]


async def test_a_refused_token_reports_no_right() -> None:
    with capture_logs() as lines, pytest.raises(Unauthenticated):
        await authenticator().viewer(f"Bearer {signed(claims(district='', rights=['admin']))}")

    assert [line["event"] for line in lines] == ["sign-in refused"]


def test_only_so_many_unknown_rights_are_remembered_and_reported() -> None:
    reader = RightsReader({})
    names = [f"group-{number}" for number in range(MOST_UNKNOWN + 1)]

    assert list(reader.unreported(names)) == names[:-1]
    assert list(reader.unreported(names)) == []


def test_the_example_of_the_documentation_is_taken() -> None:
    text = DOCUMENT.read_text()
    environ = dict(re.findall(r"^(SENTLOG_JWT_(?:CLAIM_)?RIGHTS)='?(.+?)'?$", text, re.MULTILINE))
    documented = Settings.from_environment(environ)

    assert documented.jwt_claim_rights == "groups"
    assert documented.jwt_rights == {
        "Sentlog Admins": tuple(
            right for right in Right if right not in (Right.INGEST_MESSAGES, Right.READ_INBOX)
        ),
        "Teachers": (Right.VIEW_LOG,),
        "offline_access": (),
    }


def test_the_documentation_lists_every_right() -> None:
    section = DOCUMENT.read_text().partition("## Groups and roles as rights")[2]
    sentence = section.partition("Many")[0]

    assert re.findall(r"`(\w+)`", sentence) == list(Right)
