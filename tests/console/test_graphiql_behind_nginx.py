"""GraphiQL below the prefix of a real reverse proxy: the page loads, queries and subscribes without a configured prefix."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.console.test_graphiql import answer, ask, editor
from tests.nginx import WAYS, Nginx, Way
from tests.server.calling import calling_a_server


@pytest.fixture(params=WAYS, ids=str)
def link(request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path) -> Iterator[str]:
    """The link that signs in. Name it before `page`: the server has to outlive the page."""
    way: Way = request.param
    nginx = Nginx(tmp_path)
    public_url = None if way.names_prefix else nginx.public_url
    with (
        calling_a_server(tmp_path, sqlite_template, public_url=public_url) as caller,
        nginx.before(str(caller.client.base_url).rstrip("/"), way) as address,
    ):
        yield f"{address}/graphiql#token={caller.token()}"


async def test_the_page_loads_asks_and_subscribes_below_a_prefix(link: str, page: Page) -> None:
    await page.goto(link)
    await expect(editor(page)).to_be_visible()
    assert page.url == f"{link.partition('#')[0]}/"

    await ask(page, "query Viewer { viewer { id } }")
    await expect(answer(page)).to_contain_text('"id": "u1"')

    await ask(page, 'subscription Watch { messageChanged(id: "message.1") { subject } }')
    await expect(answer(page)).to_contain_text('"messageChanged"')
