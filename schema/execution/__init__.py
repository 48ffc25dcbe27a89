"""How an operation is executed: plans for lists, lookahead, and code made for each selection."""
