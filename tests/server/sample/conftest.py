"""The lines of the demo, parsed once for all tests."""

import pytest

from server.sample import demo_lines, manual_lines
from tests.server.sample.upload import Upload, read


@pytest.fixture(scope="session")
def lines_of_demo() -> list[bytes]:
    return list(demo_lines())


@pytest.fixture(scope="session")
def demo(lines_of_demo: list[bytes]) -> Upload:
    return read(lines_of_demo)


@pytest.fixture(scope="session")
def manual() -> Upload:
    return read(manual_lines())
