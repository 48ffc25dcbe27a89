"""New messages: the tables on which they wait, and the statements that move them into the log."""
