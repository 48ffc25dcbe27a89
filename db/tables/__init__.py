"""The tables, and what each column means."""
