"""Tables of cases in text: a row on each line."""


def table(text: str) -> list[list[str]]:
    """Return the rows of a table; ` | ` divides the cells. Empty lines and those that begin with `#` are no rows."""
    lines = [line.strip() for line in text.splitlines()]
    return [line.split(" | ") for line in lines if line and not line.startswith("#")]
