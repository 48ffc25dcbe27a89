"""What viewers may see is cached for five seconds; missing districts and schools are not cached."""

from datetime import timedelta

from db.connect.database import Database
from domain.viewer import Viewer
from resolvers.request.visibility_cache import FRESH, VisibilityCache
from tests.log import NOON, district, load, school, viewer
from tests.statements import recorded

SECOND = timedelta(seconds=1)


async def asked(
    visibility_cache: VisibilityCache,
    database: Database,
    one: Viewer,
    *,
    after: timedelta = timedelta(0),
) -> tuple[str, tuple[int, ...] | None, bool] | None:
    """The name, the schools, and whether the database was read."""
    with recorded(database) as statements:
        visibility = await visibility_cache.of(database, one, now=NOON + after)
    assert visibility is None or visibility.now == NOON + after
    return visibility and (visibility.district.name, visibility.school_ids, bool(statements))


async def test_a_district_is_looked_up_again_after_five_seconds(database: Database) -> None:
    visibility_cache = VisibilityCache()
    await load(database, district(name="Plainview"))
    assert await asked(visibility_cache, database, viewer()) == ("Plainview", None, True)
    await load(database, district(name="Fairview"))
    assert await asked(visibility_cache, database, viewer(), after=FRESH - SECOND) == (
        "Plainview",
        None,
        False,
    )
    assert await asked(visibility_cache, database, viewer(), after=FRESH) == (
        "Fairview",
        None,
        True,
    )


async def test_a_clock_that_was_put_back_is_not_trusted(database: Database) -> None:
    visibility_cache = VisibilityCache()
    await load(database, district())
    await asked(visibility_cache, database, viewer())
    seen = await asked(visibility_cache, database, viewer(), after=-SECOND)
    assert seen is not None
    assert seen[2]


async def test_what_is_not_there_yet_is_seen_as_soon_as_it_is(database: Database) -> None:
    visibility_cache = VisibilityCache()
    of_two = viewer(schools=("s1", "s2"))
    assert await asked(visibility_cache, database, of_two) is None
    for found, line in enumerate((district(), school("s1"), school("s2"))):
        await load(database, line)
        seen = await asked(visibility_cache, database, of_two)
        assert seen is not None
        assert len(seen[1] or ()) == found
        assert seen[2]
    seen = await asked(visibility_cache, database, of_two)
    assert seen is not None
    assert not seen[2]


async def test_viewers_of_other_schools_see_others(database: Database) -> None:
    visibility_cache = VisibilityCache()
    await load(database, district(), school())
    everybody = await asked(visibility_cache, database, viewer())
    one = await asked(visibility_cache, database, viewer(schools=("harrison-high",)))
    assert everybody is not None
    assert one is not None
    assert everybody[1] is None
    assert one[1] is not None
    assert one[2]


async def test_so_many_are_known_and_no_more(database: Database) -> None:
    visibility_cache = VisibilityCache(most=1)
    await load(database, district(), school())
    of_school = viewer(schools=("harrison-high",))
    asked_for = [
        await asked(visibility_cache, database, one)
        for one in (viewer(), of_school, of_school, viewer())
    ]
    assert [seen and seen[2] for seen in asked_for] == [True, True, False, True]
