"""A search finds the messages that an obvious predicate over the input selects."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.connect.database import Database
from db.log import text_match
from db.search import index_choice, search
from db.search.log_page import OrderField
from domain.message import Source
from tests import log
from tests.db.search.random_searches import (
    FEW,
    Asked,
    Rule,
    Sent,
    found,
    lines,
    searches,
    sent_messages,
)

_districts = map("d{}".format, itertools.count())
sorts = st.lists(
    st.tuples(st.sampled_from(OrderField), st.booleans()),
    min_size=1,
    max_size=2,
    unique_by=lambda sort: sort[0],
)


@pytest.fixture(params=FEW, ids="few: {}".format)
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The value of FEW: with a small one, nearly every needle matches many rows."""
    for module in (text_match, search, index_choice):
        monkeypatch.setattr(module, "FEW", request.param)
    monkeypatch.setattr(index_choice, "MANY", request.param)
    return int(request.param)


@pytest.mark.usefixtures("few")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    corpus=st.lists(sent_messages, min_size=1, max_size=6),
    asked=st.lists(searches(), min_size=8, max_size=8),
    schools=st.sampled_from([(), ("east",), ("west", "elsewhere")]),
    asked_sorts=st.lists(sorts, min_size=8, max_size=8),
)
async def test_a_search_finds_the_messages_that_the_predicate_selects(
    database: Database,
    corpus: Sequence[Sent],
    asked: Sequence[tuple[Asked, Rule]],
    schools: Sequence[str],
    asked_sorts: Sequence[Sequence[tuple[OrderField, bool]]],
) -> None:
    district = next(_districts)
    await log.load(database, *lines(district, corpus))
    visibility = await log.visibility(database, district=district, schools=schools)
    for (parts, rule), sort in zip(asked, asked_sorts, strict=True):
        expected = {
            str(number)
            for number, sent in enumerate(corpus)
            if rule(sent)
            and (not schools or sent.school in schools)
            and (sent.source is not Source.SCHEDULER or sent.scheduled <= log.NOON)
        }
        answer = await found(database, parts, visibility=visibility, sort=sort)
        assert answer == (expected, len(expected)), (parts, sort)
