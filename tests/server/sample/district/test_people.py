import unicodedata
from collections import Counter

import pytest

from domain.status import DeliveryMode
from server.sample.district.names import name_languages
from server.sample.district.people import directory
from server.sample.district.plainview import HARRISON, SCHOOLS


def contact_names() -> set[str]:
    return {contact.name for contact in directory().contacts_of(None)}


@pytest.mark.parametrize("name", ["Nguyễn", "Zoë", "Łukasz", "王小明", "محمد", "שרה"])
def test_the_names_of_the_rules_are_in_the_directory(name: str) -> None:
    students = {student.person.name for student in directory().students}

    assert any(name in known for known in contact_names() | students)


@pytest.mark.parametrize(
    "script",
    ["LATIN", "CJK", "HANGUL", "HIRAGANA", "ARABIC", "HEBREW", "DEVANAGARI", "CYRILLIC", "GREEK"],
)
def test_people_are_called_in_every_script(script: str) -> None:
    students = {student.person.name for student in directory().students}
    letters = {letter for name in contact_names() | students for letter in name if letter.isalpha()}

    assert script in {unicodedata.name(letter).split()[0] for letter in letters}


def test_latin_names_have_the_form_of_the_manual() -> None:
    latin = [
        name
        for name in contact_names()
        if all(letter < "\u1f00" for letter in name) and name.isascii()
    ]

    assert latin
    assert all(name.count(", ") == 1 for name in latin)


def test_the_shares_of_the_languages_make_a_hundred() -> None:
    assert sum(language.share for language in name_languages()) == 100


def test_names_are_composed() -> None:
    written = [
        name
        for language in name_languages()
        for name in (*language.families, *language.adults, *language.children)
    ]

    assert [name for name in written if not unicodedata.is_normalized("NFC", name)] == []


def test_nobody_has_the_id_of_somebody_else() -> None:
    everybody = directory()
    people = [
        *everybody.contacts_of(None),
        *everybody.staff_of(None),
        *(student.person for student in everybody.students),
    ]

    assert max(Counter(person.id for person in people).values()) == 1


def test_portal_accounts_and_mobile_numbers_are_not_shared() -> None:
    everybody = directory()
    people = [*everybody.contacts_of(None), *everybody.staff_of(None)]
    for mode in (DeliveryMode.INBOX, DeliveryMode.TEXT):
        addresses = [device.address for person in people for device in person.devices_for({mode})]
        assert len(addresses) == len(set(addresses))


def test_some_people_cannot_be_reached_and_most_can() -> None:
    contacts = directory().contacts_of(None)
    unreachable = [contact for contact in contacts if not contact.devices]

    assert 0 < len(unreachable) < len(contacts) / 8


def test_every_school_has_students_and_staff() -> None:
    assert all(len(directory().students_of(school)) >= 20 for school in SCHOOLS)
    assert all(len(directory().staff_of(school)) >= 3 for school in SCHOOLS)


def test_harrison_high_has_the_people_of_the_manual_first() -> None:
    contacts = directory().contacts_of(HARRISON)

    assert len(contacts) >= 127
    assert [(c.name, s.person.name) for c, s in list(contacts.items())[:3]] == [
        ("Parent, Heather", "Student, Calvin"),
        ("Parent, Tad", "Student, Karen"),
        ("Parent, Kris", "Student, Lauren"),
    ]
