"""What viewers may see is cached for five seconds; missing districts and schools are not cached."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.viewer import Viewer
from resolvers.request.visibility_cache import FRESH, VisibilityCache
from tests.log import NOON, district, load, school, viewer
from tests.statements import recorded

SECOND = timedelta(seconds=1)


async def asked(
    visibility_cache: VisibilityCache,
    engine: AsyncEngine,
    one: Viewer,
    *,
    after: timedelta = timedelta(0),
) -> tuple[str, tuple[int, ...] | None, bool] | None:
    """The name, the schools, and whether the database was read."""
    with recorded(engine) as statements:
        visibility = await visibility_cache.of(engine, one, now=NOON + after)
    assert visibility is None or visibility.now == NOON + after
    return visibility and (visibility.district.name, visibility.school_ids, bool(statements))


async def test_a_district_is_looked_up_again_after_five_seconds(engine: AsyncEngine) -> None:
    visibility_cache = VisibilityCache()
    await load(engine, district(name="Plainview"))
    assert await asked(visibility_cache, engine, viewer()) == ("Plainview", None, True)
    await load(engine, district(name="Fairview"))
    assert await asked(visibility_cache, engine, viewer(), after=FRESH - SECOND) == (
        "Plainview",
        None,
        False,
    )
    assert await asked(visibility_cache, engine, viewer(), after=FRESH) == ("Fairview", None, True)


async def test_a_clock_that_was_put_back_is_not_trusted(engine: AsyncEngine) -> None:
    visibility_cache = VisibilityCache()
    await load(engine, district())
    await asked(visibility_cache, engine, viewer())
    seen = await asked(visibility_cache, engine, viewer(), after=-SECOND)
    assert seen is not None
    assert seen[2]


async def test_what_is_not_there_yet_is_seen_as_soon_as_it_is(engine: AsyncEngine) -> None:
    visibility_cache = VisibilityCache()
    of_two = viewer(schools=("s1", "s2"))
    assert await asked(visibility_cache, engine, of_two) is None
    for found, line in enumerate((district(), school("s1"), school("s2"))):
        await load(engine, line)
        seen = await asked(visibility_cache, engine, of_two)
        assert seen is not None
        assert len(seen[1] or ()) == found
        assert seen[2]
    seen = await asked(visibility_cache, engine, of_two)
    assert seen is not None
    assert not seen[2]


async def test_viewers_of_other_schools_see_others(engine: AsyncEngine) -> None:
    visibility_cache = VisibilityCache()
    await load(engine, district(), school())
    everybody = await asked(visibility_cache, engine, viewer())
    one = await asked(visibility_cache, engine, viewer(schools=("harrison-high",)))
    assert everybody is not None
    assert one is not None
    assert everybody[1] is None
    assert one[1] is not None
    assert one[2]


async def test_so_many_are_known_and_no_more(engine: AsyncEngine) -> None:
    visibility_cache = VisibilityCache(most=1)
    await load(engine, district(), school())
    of_school = viewer(schools=("harrison-high",))
    asked_for = [
        await asked(visibility_cache, engine, one)
        for one in (viewer(), of_school, of_school, viewer())
    ]
    assert [seen and seen[2] for seen in asked_for] == [True, True, False, True]
