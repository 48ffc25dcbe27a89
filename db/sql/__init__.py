"""Parts of statements: rows and columns, lists of keys, keyset paging, bulk writes, hints for an index, the clock."""
