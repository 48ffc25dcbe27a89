"""A viewer may do what its rights allow; an error names the missing right."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime

import pytest

from domain.errors import Forbidden
from domain.viewer import Right, Viewer


def viewer(*rights: Right) -> Viewer:
    return Viewer(
        id="u1",
        name="Administrator, System",
        district="plainview",
        schools=frozenset(),
        rights=frozenset(rights),
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize("right", Right)
def test_a_right_allows_itself_and_no_other(right: Right) -> None:
    allowed = viewer(right)

    allowed.require(right)
    assert {other for other in Right if allowed.may(other)} == {right}


@pytest.mark.parametrize("right", Right)
def test_a_missing_right_is_named(right: Right) -> None:
    with pytest.raises(Forbidden) as raised:
        viewer(*(other for other in Right if other is not right)).require(right)

    assert raised.value.code == "FORBIDDEN"
    assert raised.value.message == (
        f"This needs the right {right}, which your sign-in does not have. Ask your administrator for it."
    )


def test_a_viewer_is_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        viewer().rights = frozenset(Right)  # type: ignore[misc]
