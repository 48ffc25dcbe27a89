"""Ids: `read` parses what `spell` returns, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import LARGEST, WIDTHS, Kind, Reference, key_of, read, spell

NUMBERS = st.integers(0, LARGEST)


@st.composite
def references(draw: st.DrawFn) -> Reference:
    kind = draw(st.sampled_from(Kind))
    return Reference(kind, tuple(draw(NUMBERS) for _ in range(WIDTHS[kind])))


@given(references())
def test_an_id_parses_to_its_kind_and_key(reference: Reference) -> None:
    assert read(spell(reference.kind, *reference.key)) == reference


@given(references(), references())
def test_two_objects_never_share_an_id(one: Reference, other: Reference) -> None:
    assert (spell(one.kind, *one.key) == spell(other.kind, *other.key)) is (one == other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "message",
        "message.",
        "message.x",
        "message.-1",
        "message.+1",
        "message. 1",
        "message.1 ",
        "message.01",
        "message.1.2",
        "message.1_0",
        "message.1e3",
        "message.\u0661",  # an Arabic one, which Python's int() would take
        "message.\u00b9",  # a superscript one, which str.isdigit() would take
        f"message.{LARGEST + 1}",
        "message." + "9" * 10_000,
        "Message.1",
        "messages.1",
        "pupil.1",
        "recipient.1",
        "recipient.1.",
        "delivery.1.2",
        "delivery.1.2.3.4",
        "message.1\x00",
        "1",
        "TWVzc2FnZTox",
    ],
)
def test_an_invalid_id_parses_to_none(text: str) -> None:
    assert read(text) is None


@given(st.text())
def test_no_text_raises_an_error(text: str) -> None:
    found = read(text)

    assert found is None or spell(found.kind, *found.key) == text


def test_the_key_of_another_kind_is_none() -> None:
    assert key_of(Kind.MESSAGE, "message.7") == (7,)
    assert key_of(Kind.MESSAGE, "person.7") is None
    assert key_of(Kind.MESSAGE, "nonsense") is None
