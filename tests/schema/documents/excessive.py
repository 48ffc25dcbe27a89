"""Operations beyond each limit, and their refusals."""

from typing import Final

from domain.errors import LogError, TooComplex, TooLong
from schema.documents.limits import LIMITS, FragmentCycle

DAYS: Final = 'createdBetween: {from: "2020-01-01", to: "2020-01-31"}'


def chain(levels: int, times: int = 2) -> str:
    """Fragments that each spread the next one twice."""
    links = [
        f"fragment F{one} on Viewer {{ {f'...F{one + 1} ' * times} }}" for one in range(levels)
    ]
    return " ".join(["{ viewer { ...F0 } }", *links, f"fragment F{levels} on Viewer {{ id }}"])


def nested(levels: int) -> str:
    return "{ viewer " + "{ district " * levels + "{ id }" + " }" * levels + " }"


EXCESSIVE: Final[dict[str, tuple[str, type[LogError]]]] = {
    "a chain of fragments": (chain(40), TooComplex),
    "a chain of fragments with fields between": (
        "{ viewer { ...F0 } }"
        + "".join(
            f"fragment F{one} on Viewer {{ a: district {{ ...F{one + 1} }} b: district {{ ...F{one + 1} }} }}"
            for one in range(40)
        )
        + "fragment F40 on Viewer { id }",
        TooComplex,
    ),
    "ten thousand aliases": (
        "{" + " ".join(f"a{one}:__typename" for one in range(10_000)) + "}",
        TooLong,
    ),
    "three hundred aliases": (
        "{" + " ".join(f"a{one}:__typename" for one in range(300)) + "}",
        TooComplex,
    ),
    "five megabytes of comments": ("#" + "x" * 79 + "\n" * 65_536 * 80, TooLong),
    "as many comments as are read": ("#\n" * (LIMITS.bytes // 2), TooComplex),
    "a hundred levels": (nested(100), TooComplex),
    "a thousand fragments in a row": (chain(1_000, times=1), TooComplex),
    "one field a thousand times": ("{" + "__typename " * 1_000 + "}", TooComplex),
    "four thousand of four thousand": (
        f"{{ messages({DAYS}, first: 4000) {{ nodes {{ recipients(first: 4000) {{ nodes {{ id }} }} }} }} }}",
        TooComplex,
    ),
    "pages of no size": (
        f"{{ messages({DAYS}) {{ nodes {{ recipients {{ nodes {{ id }} }} }} }} }}",
        TooComplex,
    ),
    "directives without end": ("{ viewer { id " + "@skip(if: false) " * 300 + "} }", TooComplex),
    "more things at once than may be": (
        "{" + " ".join(f"a{one}: viewer {{ id }}" for one in range(LIMITS.root_fields + 1)) + "}",
        TooComplex,
    ),
    "a fragment in itself": (
        "{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { id ...A }",
        FragmentCycle,
    ),
}
