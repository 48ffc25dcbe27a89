"""The people of Plainview: contacts, students and staff, with their devices. The directory is always the same."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from random import Random
from typing import Final

from domain.search import fold
from domain.status import DeliveryMode
from server.sample.district.names import NameLanguage, name_languages
from server.sample.district.plainview import HARRISON, SCHOOLS, SampleSchool
from server.sample.line import Named

# The demo signs its visitor in with this id, so that "mine" finds messages.
ADMINISTRATOR: Final[Named] = {"id": "demo-admin", "name": "Administrator, System"}
MATTHEWS: Final[Named] = {"id": "dexter-matthews", "name": "Matthews, Dexter"}

# With this seed, all names occur that a report must print (rules of the log, 8).
_SEED: Final = 4
_HOUSEHOLDS: Final = 300
_STAFF: Final = 47

# The manual's example report names these three parents and their students.
_OF_THE_MANUAL: Final = (("Heather", "Calvin"), ("Tad", "Karen"), ("Kris", "Lauren"))


@dataclass(frozen=True, slots=True)
class PersonDevice:
    """A device of a person; `texts_stopped` if the number has opted out of texts."""

    mode: DeliveryMode
    address: str
    texts_stopped: bool = False


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """A person who receives messages; unreachable without a device."""

    id: str
    name: str
    devices: tuple[PersonDevice, ...]

    @property
    def named(self) -> Named:
        return {"id": self.id, "name": self.name}

    def devices_for(self, modes: Container[DeliveryMode]) -> tuple[PersonDevice, ...]:
        """The person's devices for a message with these modes."""
        return tuple(device for device in self.devices if device.mode in modes)


@dataclass(frozen=True, slots=True)
class Student:
    """A student, as the recipient `person`, and the student's contacts."""

    person: SamplePerson
    school: SampleSchool
    contacts: tuple[SamplePerson, ...]


@dataclass(frozen=True, slots=True)
class Employee:
    """A member of the staff; `school` null works for the whole district."""

    person: SamplePerson
    school: SampleSchool | None


@dataclass(frozen=True, slots=True)
class Directory:
    """Everybody, in the order of entry."""

    students: tuple[Student, ...]
    staff: tuple[Employee, ...]

    def students_of(self, school: SampleSchool | None) -> tuple[Student, ...]:
        """The students of one school, or of all."""
        return tuple(s for s in self.students if school in (None, s.school))

    def contacts_of(self, school: SampleSchool | None) -> dict[SamplePerson, Student]:
        """The contacts of one school, or of all, each with the first of their students."""
        matches: dict[SamplePerson, Student] = {}
        for student in self.students_of(school):
            for contact in student.contacts:
                matches.setdefault(contact, student)
        return matches

    def staff_of(self, school: SampleSchool | None) -> tuple[SamplePerson, ...]:
        """The staff of one school, or of the whole district."""
        return tuple(e.person for e in self.staff if school in (None, e.school))


@cache
def directory() -> Directory:
    """The people of Plainview; those in the manual come first."""
    return _Registry().enter_all()


class _Registry:
    """Enters people one by one, with phone numbers and addresses that are not taken yet."""

    def __init__(self) -> None:
        self._random = Random(_SEED)
        self._phones = _phone_numbers()
        self._numbers = count(1)
        self._students: list[Student] = []
        self._staff: list[Employee] = []

    def enter_all(self) -> Directory:
        for parent, child in _OF_THE_MANUAL:
            self._enter_family_of_manual(parent, child)
        for _ in range(_HOUSEHOLDS):
            self._enter_household()
        self._enter_staff()
        return Directory(tuple(self._students), tuple(self._staff))

    def _enter_family_of_manual(self, parent: str, child: str) -> None:
        phone = next(self._phones)
        devices = (
            PersonDevice(DeliveryMode.INBOX, f"{parent.lower()}.parent"),
            PersonDevice(DeliveryMode.EMAIL, f"{parent.lower()}@nomail.com"),
            PersonDevice(DeliveryMode.VOICE, phone),
            PersonDevice(DeliveryMode.TEXT, phone),
        )
        contact = SamplePerson(self._next_id("contact"), f"Parent, {parent}", devices)
        self._enter_student(f"Student, {child}", HARRISON, (contact,))

    def _enter_household(self) -> None:
        draw, language = self._random, self._tongue()
        family = draw.choice(language.families)
        landline = next(self._phones) if draw.random() < 0.3 else None
        contacts: list[SamplePerson] = []
        for adult in draw.sample(language.adults, draw.choice((1, 2, 2))):
            # One parent in six has another family name.
            surname = draw.choice(language.families) if draw.random() < 0.16 else family
            contacts.append(self._contact(language, surname, adult, landline))
        if len(contacts) == 2 and draw.random() < 0.2:
            contacts[1] = _with_email_of(contacts[0], contacts[1])
        street = draw.random()  # siblings of one age go to one school
        for child in draw.sample(language.children, draw.choice((1, 1, 2, 2, 3))):
            school = _school(draw.randrange(13), street)
            self._enter_student(language.full(family, child), school, tuple(contacts))

    def _contact(
        self, language: NameLanguage, family: str, given: str, landline: str | None
    ) -> SamplePerson:
        draw = self._random
        ident = self._next_id("contact")
        devices: list[PersonDevice] = []
        if draw.random() > 0.07:  # the others have no device
            account = _account(given, family, ident)
            if draw.random() < 0.88:
                devices.append(PersonDevice(DeliveryMode.INBOX, account))
            if draw.random() < 0.78:
                host = draw.choice(("mail.example", "post.example", "home.example"))
                devices.append(PersonDevice(DeliveryMode.EMAIL, f"{account}@{host}"))
            if landline is not None:
                devices.append(PersonDevice(DeliveryMode.VOICE, landline))
            if draw.random() < 0.75:
                mobile = next(self._phones)
                devices.append(PersonDevice(DeliveryMode.VOICE, mobile))
                devices.append(PersonDevice(DeliveryMode.TEXT, mobile, draw.random() < 0.05))
        return SamplePerson(ident, language.full(family, given), tuple(devices))

    def _enter_student(
        self, name: str, school: SampleSchool, contacts: tuple[SamplePerson, ...]
    ) -> None:
        ident = f"student-{len(self._students) + 1:04}"
        devices = (
            PersonDevice(DeliveryMode.INBOX, ident),
            PersonDevice(DeliveryMode.EMAIL, f"{ident}@students.plainview.example"),
        )
        self._students.append(Student(SamplePerson(ident, name, devices), school, contacts))

    def _enter_staff(self) -> None:
        draw = self._random
        matthews = SamplePerson(MATTHEWS["id"], MATTHEWS["name"], _work_devices("dexter.matthews"))
        self._staff.append(Employee(matthews, None))
        for number in range(_STAFF):
            language = self._tongue()
            given, family = draw.choice(language.adults), draw.choice(language.families)
            ident = self._next_id("staff")
            devices = _work_devices(_account(given, family, ident))
            if draw.random() < 0.5:
                devices += (PersonDevice(DeliveryMode.TEXT, next(self._phones)),)
            person = SamplePerson(ident, language.full(family, given), devices)
            self._staff.append(Employee(person, SCHOOLS[number % len(SCHOOLS)]))

    def _tongue(self) -> NameLanguage:
        every = name_languages()
        return self._random.choices(every, [language.share for language in every])[0]

    def _next_id(self, role: str) -> str:
        return f"{role}-{next(self._numbers):04}"


def _school(grade: int, street: float) -> SampleSchool:
    fitting = [school for school in SCHOOLS if school.grades[0] <= grade <= school.grades[1]]
    return fitting[int(street * len(fitting))]


def _with_email_of(one: SamplePerson, other: SamplePerson) -> SamplePerson:
    """A second person with the first one's email address, in other capitals, which make no difference."""
    shared = next((d.address for d in one.devices if d.mode is DeliveryMode.EMAIL), None)
    if shared is None:
        return other
    devices = tuple(
        replace(d, address=shared.title()) if d.mode is DeliveryMode.EMAIL else d
        for d in other.devices
    )
    return replace(other, devices=devices)


def _work_devices(account: str) -> tuple[PersonDevice, ...]:
    return (
        PersonDevice(DeliveryMode.INBOX, account),
        PersonDevice(DeliveryMode.EMAIL, f"{account}@plainview.example"),
    )


def _account(given: str, family: str, ident: str) -> str:
    """An unused portal account, in plain letters if the name has some."""
    words = (re.sub(r"[^a-z]", "", fold(word)) for word in (given, family))
    number = ident.partition("-")[2].lstrip("0")
    known = [word for word in words if word]
    return ".".join([*(known or ["account"]), number])


def _phone_numbers() -> Iterator[str]:
    """Fictitious numbers: 555-0100 to 555-0199 are reserved in every area code."""
    for area in (612, 651, 763, 952, 507, 218, 320, 701, 605):
        for line in range(100):
            yield f"+1{area}55501{line:02}"
