"""The marks that are computed before the rows of a report are those of its rows."""

from itertools import combinations, product
from typing import Any, Final

from db.connect.database import Database
from db.log import counters as tallies
from db.log import deliveries, recipients
from db.reports.marks import Marks, marks
from domain.paging import Page
from domain.report import ReportDetail, ReportDevice, row_rule, rows_of_recipient
from domain.status import DeliveryStatus
from tests.log import district, email, inbox, load, message, message_ids, recipient, text, voice

FAILED = DeliveryStatus.FAILED
ELSE = "+16125550102"

LISTS: Final[dict[str, list[Any]]] = {
    "nobody": [],
    "nobody has a device": [recipient("p1")],
    "all are contacted": [recipient("p1", voice(call_status=5), email())],
    "one number twice": [
        recipient("p1", voice(call_status=5)),
        recipient("p2", voice(call_status=5)),
    ],
    "one address twice, and one is not contacted": [
        recipient("p1", email(), voice(call_status=6)),
        recipient("p2", email()),
    ],
    "a duplicate of who failed": [
        recipient("p1", email(), voice(call_status=5)),
        recipient("p2", email(), text(ELSE, call_status=-30, status=FAILED)),
    ],
    "a duplicate of who did not fail": [
        recipient("p1", voice(call_status=5), email("a@x.example", status=FAILED)),
        recipient("p2", voice(call_status=5)),
        recipient("p3"),
    ],
    "a failure by email of who is not contacted": [
        recipient("p1", inbox(), email(status=FAILED)),
        recipient("p2", voice(call_status=5)),
    ],
    "a duplicate that failed with the first": [
        recipient("p1", text(call_status=-30, status=FAILED)),
        recipient("p2", text(call_status=-30, status=FAILED), voice(ELSE, call_status=5)),
    ],
}


async def test_the_marks_are_those_that_the_rows_have(database: Database) -> None:
    await load(database, district(), *(message(id, listed) for id, listed in LISTS.items()))
    ids = await message_ids(database)
    seen: set[Marks] = set()
    choices = [devices for n in range(1, 5) for devices in combinations(ReportDevice, n)]
    details = (ReportDetail.ALL, ReportDetail.FAILED_DELIVERY)
    order, page = recipients.in_order_of_list("test"), Page(50, None, None, backward=False)
    async with database.reading() as connection:
        for name in LISTS:
            id = ids[name]
            counters = (await tallies.of_messages(connection, [id])).get(id, tallies.Counters())
            listed = await recipients.pages_of_messages(
                connection, [id], wanted=recipients.ALL, order=order, page=page
            )
            keys = [(one.message_id, one.number) for one in listed[id].rows]
            sent = await deliveries.of_recipients(connection, keys) if keys else {}
            for devices, detail in product(choices, details):
                rule = row_rule(devices, detail)
                assert rule is not None
                shown = [
                    (one, [sent[key][place] for place in places or ()])
                    for one, key in zip(listed[id].rows, keys, strict=True)
                    if (
                        places := rows_of_recipient(
                            rule, [(each.mode, each.status) for each in sent.get(key, ())]
                        )
                    )
                    != ()
                ]
                expected = Marks(
                    has_duplicates=any(each.is_duplicate for _, rows in shown for each in rows),
                    has_not_contacted=any(not one.contacted_by_phone for one, _ in shown),
                )
                found = await marks(connection, id, rule=rule, counters=counters)
                assert found == expected, (name, devices, detail)
                seen.add(found)
    assert len(seen) == 4
