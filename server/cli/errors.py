"""What every command tells alike: what is wrong, in words on standard error; and where it finds its settings."""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from db.connect.unavailable import AWAY
from domain.errors import LogError
from resolvers.ingest.outcome import Problem, Warned
from server.cli.progress import note
from server.settings.settings import Settings, SettingsError, variable


@contextmanager
def told() -> Iterator[None]:
    """Say what is wrong in words, and end with status 1; a fault of ours keeps its traceback."""
    try:
        yield
    except SettingsError as error:
        complain(*error.problems)
        sys.exit(1)
    except LogError as error:
        complain(error.message)
        sys.exit(1)
    except AWAY as error:
        # The driver's own words, without the statement and its values, which SQLAlchemy adds.
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        if getattr(error, "statement", None) is None:
            complain(f"The database cannot be reached: {reason}. Check {variable('database_url')}.")
        else:
            complain(f"The database did not finish: {reason}. Run the command again.")
        sys.exit(1)


def complain(*problems: str) -> None:
    """Print problems, a line each: long ones are not broken, so that they can be searched for."""
    for problem in problems:
        note.print(problem, style="red", markup=False, soft_wrap=True)


def warn(*warnings: str) -> None:
    """Print warnings, a line each, like problems."""
    for warning in warnings:
        note.print(warning, style="yellow", markup=False, soft_wrap=True)


def spell(found: Problem | Warned) -> str:
    """What is wrong with a line of an upload, and where, in one line."""
    place = f"line {found.line}" + (f", message {found.message}" if found.message else "")
    field = f"{found.field}: " if found.field else ""
    return f"{place}: {field}{found.reason}"


def settings_here() -> Settings:
    """The settings that the environment gives."""
    return Settings.from_environment(os.environ)


def user_here() -> str:
    """Who runs the command, as the machine knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has a number alone
        return str(os.getuid())
