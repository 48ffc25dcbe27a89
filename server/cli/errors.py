"""What all commands share: error output, and the settings from the environment."""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from db.connect.unavailable import AWAY
from domain.errors import LogError
from resolvers.ingest.outcome import LineWarning, Problem
from server.cli.progress import note
from server.settings.settings import Settings, SettingsError, variable


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Print an expected error and exit with status 1; an unexpected exception keeps its traceback."""
    try:
        yield
    except SettingsError as error:
        print_errors(*error.problems)
        sys.exit(1)
    except LogError as error:
        print_errors(error.message)
        sys.exit(1)
    except AWAY as error:
        # The driver's message, without the statement and its values, which SQLAlchemy adds.
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        if getattr(error, "statement", None) is None:
            print_errors(
                f"The database cannot be reached: {reason}. Check {variable('database_url')}."
            )
        else:
            print_errors(f"The database did not finish: {reason}. Run the command again.")
        sys.exit(1)


def print_errors(*problems: str) -> None:
    """Print problems to standard error, one per line and unwrapped, so that they can be searched for."""
    for problem in problems:
        note.print(problem, style="red", markup=False, soft_wrap=True)


def warn(*warnings: str) -> None:
    """Print warnings to standard error, one per line."""
    for warning in warnings:
        note.print(warning, style="yellow", markup=False, soft_wrap=True)


def spell(problem: Problem | LineWarning) -> str:
    """A problem of an upload in one line: where, and what is wrong."""
    place = f"line {problem.line}" + (f", message {problem.message}" if problem.message else "")
    field = f"{problem.field}: " if problem.field else ""
    return f"{place}: {field}{problem.reason}"


def settings_here() -> Settings:
    """The settings from the environment."""
    return Settings.from_environment(os.environ)


def user_here() -> str:
    """The name of the user that runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has a number alone
        return str(os.getuid())
