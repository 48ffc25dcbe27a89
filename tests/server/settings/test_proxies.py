"""The settings of reverse proxies: public URL and trusted proxies."""

import pytest

from server.settings.settings import Settings
from tests.server.settings.test_settings import problems


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("https://district.example/sentlog/", "https://district.example/sentlog"),
        ("https://district.example/", "https://district.example"),
        ("http://127.0.0.1:8000/a/b", "http://127.0.0.1:8000/a/b"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
    ],
)
def test_a_public_address_may_have_a_prefix(given: str, understood: str) -> None:
    assert Settings.from_environment({"SENTLOG_PUBLIC_URL": given}).public_url == understood


@pytest.mark.parametrize(
    "given",
    [
        "district.example/sentlog",
        "ftp://district.example",
        "https://",
        "https://host:port",
        "https://user@district.example",
        "https://district.example/?a=1",
        "https://district.example/#a",
        "https://district.example//sentlog",
        "https://district.example/../x",
        "https://district.example/a b",
        "https://district.example/%2f",
        "https://district.example/reports",
        "https://district.example/graphql/x",
    ],
)
def test_a_public_address_that_cannot_be_one_is_refused(given: str) -> None:
    [problem] = problems(SENTLOG_PUBLIC_URL=given)
    assert problem.startswith("SENTLOG_PUBLIC_URL: ")
    assert problem.endswith(
        "It takes the address under which browsers and providers reach this server:"
        " https://district.example/sentlog."
    )


def test_proxies_are_addresses_and_networks_or_none() -> None:
    assert Settings.from_environment({"SENTLOG_TRUSTED_PROXIES": "None"}).trusted_proxies == ()
    for wrong in ("proxy.example", "10.0.0.1/8", "10.0.0.0/33", "*", "10.0.0.1 none"):
        [problem] = problems(SENTLOG_TRUSTED_PROXIES=wrong)
        assert "is neither an address nor a network" in problem
