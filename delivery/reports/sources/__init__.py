"""Read reports from the database: one snapshot, in pages, for a renderer in another thread."""
