"""The claims of a token: times, schools, rights and names, and the viewer that they make."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from domain.errors import Unauthenticated
from domain.viewer import Right, Viewer
from tests.server.auth.signing import NOW, SECRET, Clock, claims, signed
from tests.server.auth.test_authenticator import (
    AGAIN,
    authenticator,
    refusal,
    signed_by_hand,
    viewer,
)


def at(**by: float) -> float:
    return (NOW + timedelta(**by)).timestamp()


EXPIRED = "Your sign-in has expired. Sign in again."
EARLY = "Your sign-in is not valid yet. Check that the clocks are right."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exp": at(seconds=-29.5)}, None),
        ({"exp": at(seconds=-30)}, EXPIRED),
        ({"exp": 0}, EXPIRED),
        ({"nbf": at(seconds=30)}, None),
        ({"nbf": at(seconds=30.5)}, EARLY),
        ({"iat": at(seconds=30)}, None),
        ({"iat": at(seconds=31)}, EARLY),
        ({"iat": at(days=-1), "nbf": at(days=-1)}, None),
        ({"iat": 0}, None),
        ({"exp": at(days=-1), "nbf": at(days=1)}, EARLY),
    ],
)
async def test_times_are_judged_by_the_given_clock_with_thirty_seconds_of_leeway(
    changes: dict[str, Any], message: str | None
) -> None:
    token = signed(claims(**changes))
    if message is None:
        assert (await authenticator().viewer(f"Bearer {token}")).id == "u1"
    else:
        assert await refusal(token) == message


async def test_a_token_is_refused_from_the_moment_that_its_viewer_expires() -> None:
    clock = Clock()
    found = authenticator(clock, jwt_leeway=0)
    token = f"Bearer {signed(claims())}"
    expires_at = (await found.viewer(token)).expires_at
    assert expires_at == NOW + timedelta(hours=1)
    clock.now = expires_at - timedelta(microseconds=1)
    assert (await found.viewer(token)).expires_at == expires_at
    clock.now = expires_at
    with pytest.raises(Unauthenticated) as refused:
        await found.viewer(token)
    assert refused.value.message == EXPIRED


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    ["1580493600", True, [1], {}, -1, 1e300, float("nan"), float("inf"), 10**400, 253402300800],
)
async def test_a_time_that_is_none_is_refused(name: str, value: object) -> None:
    token = signed_by_hand({"alg": "HS256"}, claims(**{name: value}), SECRET)
    assert await refusal(token) == (
        f"The claim {name} of your sign-in must be a time in seconds since 1970. {AGAIN}"
    )


# What the claims say


@pytest.mark.parametrize(
    ("schools", "expected"),
    [
        (..., frozenset()),
        (None, frozenset()),
        ([], frozenset()),
        (["a"], frozenset({"a"})),
        (["a", "b c", "a"], frozenset({"a", "b c"})),
    ],
)
async def test_no_schools_are_all_schools(schools: object, expected: frozenset[str]) -> None:
    assert (await viewer(claims(schools=schools))).schools == expected


@pytest.mark.parametrize("schools", ["", "harrison-high", 5, 0, False, {}, {"a": 1}])
async def test_schools_that_are_no_list_are_refused_and_not_taken_for_all(schools: object) -> None:
    assert await refusal(signed(claims(schools=schools))) == (
        f"The claim schools of your sign-in must be a list of texts. {AGAIN}"
    )


@pytest.mark.parametrize("school", ["", " ", None, 5, ["a"]])
async def test_a_school_that_is_no_text_is_refused(school: object) -> None:
    assert await refusal(signed(claims(schools=["a", school]))) == (
        f"The claim schools of your sign-in must be a text. {AGAIN}"
    )


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        (..., set()),
        (None, set()),
        ([], set()),
        ("", set()),
        (["VIEW_LOG", "CREATE_REPORTS"], {Right.VIEW_LOG, Right.CREATE_REPORTS}),
        ("openid VIEW_LOG  INGEST_MESSAGES", {Right.VIEW_LOG, Right.INGEST_MESSAGES}),
        (["view_log", "VIEW", "admin", "VIEW_LOG "], set()),
        (["VIEW_LOG VIEW_RECIPIENTS"], set()),
    ],
)
async def test_rights_are_a_list_or_a_scope_and_other_systems_rights_are_passed_over(
    rights: object, expected: set[Right]
) -> None:
    assert (await viewer(claims(rights=rights))).rights == expected


@pytest.mark.parametrize("rights", [5, True, {"VIEW_LOG": True}, [5], [["VIEW_LOG"]], [None]])
async def test_rights_of_another_type_are_refused(rights: object) -> None:
    assert await refusal(signed(claims(rights=rights))) == (
        "The claim rights of your sign-in must be a list of texts, or one text with spaces"
        f" or commas between the rights. {AGAIN}"
    )


@pytest.mark.parametrize("name", [..., None, "", " ", "\u00a0\n"])
async def test_without_a_name_the_id_is_shown(name: object) -> None:
    assert (await viewer(claims(name=name))).name == "u1"


@pytest.mark.parametrize("name", ["Nguyễn", "Zoë", "王小明", "محمد", "شیرین‌بانو", "A\u00a0B"])
async def test_a_name_may_be_in_any_script(name: str) -> None:
    assert (await viewer(claims(name=name))).name == name


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        *(("sub", ""), ("sub", " "), ("district", ""), ("district", " ")),
        *product(("sub", "name", "district"), ("a\x00b", "a\nb", "a\x9bb", "\ud800")),
    ],
)
async def test_a_text_that_could_not_be_stored_or_logged_is_refused(claim: str, text: str) -> None:
    token = signed_by_hand({"alg": "HS256"}, claims(**{claim: text}), SECRET)
    assert await refusal(token) == f"The claim {claim} of your sign-in must be a text. {AGAIN}"


@pytest.mark.parametrize("district", [..., None, 5, ["plainview"], {"id": "plainview"}])
async def test_a_token_without_a_district_is_refused(district: object) -> None:
    assert await refusal(signed(claims(district=district))) == (
        f"The claim district of your sign-in must be a text. {AGAIN}"
    )


async def test_claims_have_configurable_names_paths_and_addresses_among_them() -> None:
    said = claims(
        name=...,
        district=...,
        schools=...,
        rights=...,
        org={"unit": {"district": "plainview"}},
        realm_access={"roles": ["VIEW_LOG", "offline"]},
        preferred_username="admin",
        **{"https://id.example/schools": ["a"]},
    )
    found = await viewer(
        said,
        jwt_claim_district="org.unit.district",
        jwt_claim_rights="realm_access.roles",
        jwt_claim_name="preferred_username",
        jwt_claim_schools="https://id.example/schools",
    )
    assert found == Viewer(
        id="u1",
        name="admin",
        district="plainview",
        schools=frozenset({"a"}),
        rights=frozenset({Right.VIEW_LOG}),
        expires_at=NOW + timedelta(seconds=3630),
    )


async def test_a_claim_of_the_very_name_comes_before_the_path() -> None:
    said = claims(**{"a.b": "very", "a": {"b": "path"}})
    assert (await viewer(said, jwt_claim_district="a.b")).district == "very"


@pytest.mark.parametrize("said", [{"a": "text"}, {"a": ["b"]}, {"a": {"c": 1}}, {}])
async def test_a_path_that_leads_nowhere_is_no_claim(said: dict[str, Any]) -> None:
    token = signed(claims(**said))
    assert await refusal(token, jwt_claim_district="a.b") == (
        f"The claim a.b of your sign-in must be a text. {AGAIN}"
    )


async def test_the_audience_and_the_issuer_are_configurable() -> None:
    said = claims(aud="log", iss="https://id.example")
    fields = {"jwt_audience": "log", "jwt_issuer": "https://id.example"}
    assert (await viewer(said, **fields)).id == "u1"
    assert await refusal(signed({**said, "iss": "sentlog"}), **fields) == (
        f"Your sign-in comes from an issuer that is not trusted here. {AGAIN}"
    )
    assert await refusal(signed({**said, "aud": "sentlog"}), **fields) == (
        f"Your sign-in is meant for another application. {AGAIN}"
    )
