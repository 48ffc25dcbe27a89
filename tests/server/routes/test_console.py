"""The files of the console: what is served, caching, security headers, and the response without a build."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from server.routes.console import routes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small build: a page, an icon, a script with a hash in its name; and a file beside it that is no part of it."""
    built = tmp_path / "static"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<title>GraphiQL</title>")
    (built / "icon.svg").write_text("<svg/>")
    (built / "assets" / "index-B0yftG5x.js").write_text("start()")
    (tmp_path / "secret.txt").write_text("secret")
    return built


@pytest.fixture
def client(folder: Path) -> TestClient:
    return TestClient(Starlette(routes=routes(folder)), follow_redirects=False)


@pytest.mark.parametrize("path", ["/graphiql/", "/graphiql/index.html"])
def test_the_page_is_revalidated_each_time(client: TestClient, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 200
    assert response.text == "<title>GraphiQL</title>"
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"


def test_the_address_without_a_slash_leads_to_the_page_below_any_prefix(client: TestClient) -> None:
    response = client.get("/graphiql")

    assert (response.status_code, response.headers["location"]) == (307, "graphiql/")


def test_a_page_that_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    etag = client.get("/graphiql/").headers["etag"]

    response = client.get("/graphiql/", headers={"If-None-Match": etag})

    assert response.status_code == 304
    assert response.content == b""
    assert response.headers["cache-control"] == "no-cache"


def test_an_asset_is_kept_for_good(client: TestClient) -> None:
    response = client.get("/graphiql/assets/index-B0yftG5x.js")

    assert response.status_code == 200
    assert response.text == "start()"
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_file_without_a_hash_in_its_name_is_revalidated(client: TestClient) -> None:
    response = client.get("/graphiql/icon.svg")

    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/graphiql", "/graphiql/assets/index-B0yftG5x.js"])
def test_no_script_and_no_answer_may_come_from_or_go_to_another_host(
    client: TestClient, path: str
) -> None:
    headers = client.get(path).headers
    policy = dict(
        directive.strip().split(" ", 1)
        for directive in headers["content-security-policy"].split(";")
    )

    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",
        "font-src": "'self' data:",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "worker-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "path",
    [
        "/graphiql/assets/index-other.js",
        "/graphiql/assets",
        "/graphiql/assets/",
        "/graphiql/..%2fsecret.txt",
        "/graphiql/assets/..%2f..%2fsecret.txt",
        "/graphiql/%2fetc%2fpasswd",
        "/graphiql/%00",
    ],
)
def test_what_is_not_in_the_folder_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/graphiql", "/graphiql/icon.svg"])
def test_nothing_but_reading_is_allowed(client: TestClient, path: str) -> None:
    response = client.post(path)

    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/graphiql", "/graphiql/", "/graphiql/assets/index-B0yftG5x.js"])
def test_without_a_build_the_page_says_how_to_make_one(tmp_path: Path, path: str) -> None:
    client = TestClient(Starlette(routes=routes(tmp_path / "not-built")))

    response = client.get(path)

    assert response.status_code == 503
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert "make console" in response.text


def test_a_build_that_comes_later_is_served_without_a_restart(tmp_path: Path) -> None:
    client = TestClient(Starlette(routes=routes(tmp_path)))
    assert client.get("/graphiql/icon.svg").status_code == 503

    (tmp_path / "index.html").write_text("<title>GraphiQL</title>")
    (tmp_path / "icon.svg").write_text("<svg/>")

    assert client.get("/graphiql").status_code == 200
    assert client.get("/graphiql/icon.svg").text == "<svg/>"
