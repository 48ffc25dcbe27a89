"""A provider that only pretends, and its journal."""
