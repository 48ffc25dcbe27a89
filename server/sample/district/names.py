"""Names of the people of the sample, in many languages and scripts, from `names.toml`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

_FORMS: Final = {
    "comma": "{family}, {given}",
    "joined": "{family}{given}",
    "spaced": "{family} {given}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NameLanguage:
    """The names of one language; `share` percent of the families have them."""

    code: str
    share: int
    order: str
    families: tuple[str, ...]
    adults: tuple[str, ...]
    children: tuple[str, ...]

    @property
    def is_latin(self) -> bool:
        """Whether the names are in Latin letters, with or without accents."""
        return all(name[0] < "\u0250" for name in self.families)

    def full(self, family: str, given: str) -> str:
        """The name as the log shows it: the family name first."""
        return _FORMS[self.order].format(family=family, given=given)


@cache
def name_languages() -> tuple[NameLanguage, ...]:
    """All languages; their shares add up to a hundred."""
    with (files("server.sample.district") / "names.toml").open("rb") as file:
        entries = tomllib.load(file)["language"]
    return tuple(
        NameLanguage(
            code=entry["code"],
            share=entry["share"],
            order=entry["order"],
            families=tuple(entry["families"]),
            adults=tuple(entry["adults"]),
            children=tuple(entry["children"]),
        )
        for entry in entries
    )
