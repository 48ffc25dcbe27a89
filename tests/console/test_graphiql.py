"""GraphiQL in a real browser: how the page handles a token, what it stores, and how it shows a refusal."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.console.stand_in import StandIn
from tests.live_server import serving

TOKEN = "held.by-the-page.alone"

GREETING = "query Greeting { greeting }"
GREETED = '"greeting": "Hello, log"'

EXAMPLES = [
    "Log",
    "Search",
    "Message",
    "People",
    "Person",
    "Inbox",
    "ContactProblems",
    "Figures",
    "Waiting",
    "SavedSearches",
    "Watch",
    "WatchLog",
    "Cancel",
    "CancelMany",
    "CallStatuses",
    "System",
]
"""The tabs that the page opens with."""


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn(accepted=TOKEN)


@pytest.fixture
def address(stand_in: StandIn) -> Iterator[str]:
    """Where the page is. Name it before `page`: the server has to outlive the page, which may still be loading."""
    with serving(stand_in) as origin:
        yield f"{origin}/graphiql/"


def editor(page: Page) -> Locator:
    return page.get_by_role("button", name="Execute query")


def refusal(page: Page) -> Locator:
    return page.get_by_role("alert").filter(has_text="The server does not take this token")


def token_field(page: Page) -> Locator:
    return page.get_by_label("Token")


async def paste(page: Page, token: str) -> None:
    await token_field(page).fill(token)
    await page.get_by_role("button", name="Sign in").click()


async def ask(page: Page, document: str) -> None:
    """Paste a document, whose operation has a name, over the one in the open tab, and run it."""
    # Not typed: the editor would close each bracket that the document closes too.
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.evaluate("text => navigator.clipboard.writeText(text)", document)
    await page.locator(".graphiql-query-editor .monaco-editor").first.click()
    await page.keyboard.press("Control+A")
    await page.keyboard.press("Control+V")
    await expect(page.locator(".graphiql-query-editor .view-lines")).to_have_text(document)
    # GraphiQL takes in what stands in the editor a moment later, and shows so by the name of the tab.
    await expect(open_tab(page)).to_contain_text(document.split()[1])
    await editor(page).click()


def open_tab(page: Page) -> Locator:
    return page.get_by_role("tab", selected=True)


def answer(page: Page) -> Locator:
    return page.locator(".graphiql-response .view-lines")


async def storage_with(page: Page, text: str) -> dict[str, str]:
    """What the browser keeps for the page, once `text` is in it: GraphiQL writes when the typing has paused."""
    kept: dict[str, str] = await page.evaluate(
        """async text => {
            const kept = () => ({...localStorage, ...sessionStorage});
            while (!JSON.stringify(kept()).includes(text)) await new Promise(requestAnimationFrame);
            return kept();
        }""",
        text,
    )
    return kept


async def test_a_link_with_a_token_signs_in_and_leaves_the_address_bar(
    address: str, page: Page, stand_in: StandIn
) -> None:
    await page.goto(f"{address}#token={TOKEN}")

    await expect(editor(page)).to_be_visible()
    assert page.url == address
    # The blank page and this one: there is no step back to the token.
    assert await page.evaluate("history.length") == 2
    await ask(page, GREETING)
    await expect(answer(page)).to_contain_text(GREETED)
    assert {headers["authorization"] for headers in stand_in.headers} == {f"Bearer {TOKEN}"}
    assert {headers.get("cookie") for headers in stand_in.headers} == {None}


async def test_a_second_link_in_the_same_tab_signs_in_again(address: str, page: Page) -> None:
    await page.goto(f"{address}#token=expired")
    await expect(refusal(page)).to_be_visible()

    await page.evaluate(f"location.hash = '#token={TOKEN}'")

    await expect(refusal(page)).to_be_hidden()
    assert page.url == address
    await ask(page, GREETING)
    await expect(answer(page)).to_contain_text(GREETED)


async def test_a_late_refusal_of_the_token_before_says_nothing_of_the_new_one(
    address: str, page: Page
) -> None:
    late: list[Route] = []
    asked = asyncio.Event()

    async def hold(route: Route) -> None:
        if route.request.headers["authorization"] == f"Bearer {TOKEN}":
            await route.continue_()
        else:
            late.append(route)
            asked.set()

    await page.route("**/graphql", hold)
    await page.goto(f"{address}#token=expired")
    async with asyncio.timeout(30):
        await asked.wait()
    await page.evaluate(f"location.hash = '#token={TOKEN}'")
    await ask(page, GREETING)
    await expect(answer(page)).to_contain_text(GREETED)

    for route in late:
        async with page.expect_response(lambda response: response.status == 401):
            await route.fulfill(status=401, json={"errors": [{"message": "expired"}]})
    # What follows from an answer is on the page in the frame after the next.
    await page.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )

    await expect(refusal(page)).to_be_hidden()


async def test_without_a_token_one_is_asked_for_and_taken_however_it_is_pasted(
    address: str, page: Page, stand_in: StandIn
) -> None:
    await page.goto(address)
    for pasted in [
        TOKEN,
        f"  {TOKEN} ",
        f"Bearer {TOKEN}",
        f"Authorization: Bearer {TOKEN}",
        f"http://127.0.0.1:8000/graphiql#token={TOKEN}",
    ]:
        await expect(page.get_by_role("heading", name="Sign in to ask the log")).to_be_visible()
        assert stand_in.headers == []

        await paste(page, pasted)

        await ask(page, GREETING)
        await expect(answer(page)).to_contain_text(GREETED)
        assert {headers["authorization"] for headers in stand_in.headers} == {f"Bearer {TOKEN}"}
        await page.get_by_role("button", name="Sign out").click()
        stand_in.headers.clear()


async def test_a_refused_token_is_said_with_what_to_do_and_the_tabs_stay(
    address: str, page: Page, stand_in: StandIn
) -> None:
    await page.goto(f"{address}#token={TOKEN}")
    await ask(page, "query Mine { greeting }")
    await expect(answer(page)).to_contain_text(GREETED)
    stand_in.accepted = "renewed"

    await editor(page).click()

    await expect(refusal(page)).to_contain_text("sentlog token")
    await paste(page, "renewed")
    await expect(refusal(page)).to_be_hidden()
    await expect(page.get_by_role("tab", name="Mine")).to_be_visible()
    await editor(page).click()
    await expect(answer(page)).to_contain_text(GREETED)


async def test_what_was_typed_is_kept_and_the_token_is_not(address: str, page: Page) -> None:
    await page.goto(f"{address}#token={TOKEN}")
    await ask(page, "query Typed { greeting }")
    await expect(answer(page)).to_contain_text(GREETED)
    await expect(page.get_by_role("tab", name="Typed")).to_be_visible()

    kept = await storage_with(page, "query Typed { greeting }")
    assert TOKEN not in json.dumps(kept)
    assert {key for key in kept if not key.startswith("sentlog:")} == set()
    assert await page.context.cookies() == []

    await page.reload()
    await expect(page.get_by_role("heading", name="Sign in to ask the log")).to_be_visible()
    await paste(page, TOKEN)
    await expect(page.get_by_role("tab", name="Typed")).to_be_visible()


async def test_what_another_graphiql_left_on_this_port_is_neither_shown_nor_sent(
    address: str, page: Page, stand_in: StandIn
) -> None:
    await page.goto(address)
    await page.evaluate("""
        localStorage.setItem("graphiql:query", "{ foreign }");
        localStorage.setItem("graphiql:headers", '{"X-Foreign": "yes"}');
    """)

    await page.goto(f"{address}?again#token={TOKEN}")

    await expect(page.get_by_role("tab")).to_contain_text(EXAMPLES)
    await ask(page, GREETING)
    await expect(answer(page)).to_contain_text(GREETED)
    assert [headers for headers in stand_in.headers if "x-foreign" in headers] == []


async def test_a_subscription_signs_its_connection_and_speaks_one_protocol(
    address: str, page: Page, stand_in: StandIn
) -> None:
    await page.goto(f"{address}#token={TOKEN}")
    await expect(editor(page)).to_be_visible()

    await ask(page, "subscription Revision { revision }")

    await expect(answer(page)).to_contain_text('"revision": 3')
    assert stand_in.payloads == [{"Authorization": f"Bearer {TOKEN}"}]
    assert stand_in.protocols == [["graphql-transport-ws"]]


async def test_a_connection_that_is_refused_is_said_too(
    address: str, page: Page, stand_in: StandIn
) -> None:
    await page.goto(f"{address}#token={TOKEN}")
    await expect(editor(page)).to_be_visible()
    await ask(page, GREETING)
    await expect(answer(page)).to_contain_text(GREETED)
    stand_in.accepted = "renewed"

    await ask(page, "subscription Revision { revision }")

    await expect(refusal(page)).to_be_visible()


async def test_signing_out_forgets_the_token(address: str, page: Page, stand_in: StandIn) -> None:
    await page.goto(f"{address}#token={TOKEN}")
    await expect(editor(page)).to_be_visible()

    await page.get_by_role("button", name="Sign out").click()

    await expect(token_field(page)).to_have_value("")
    await expect(editor(page)).to_be_hidden()


async def test_the_examples_can_be_had_again(address: str, page: Page) -> None:
    await page.goto(f"{address}#token={TOKEN}")
    await expect(page.get_by_role("tab")).to_contain_text(EXAMPLES)
    await ask(page, "query Mine { greeting }")
    await expect(page.get_by_role("tab")).to_contain_text(["Mine", *EXAMPLES[1:]])
    page.on("dialog", lambda dialog: dialog.accept())

    await page.get_by_role("button", name="Open the examples again").click()

    await expect(page.get_by_role("tab")).to_contain_text(EXAMPLES)
