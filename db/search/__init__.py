"""Finding messages: what may be asked for, the statement of a search, a page of the log in any order, counts."""
