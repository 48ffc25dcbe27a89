"""The parts of one request: its context, loaders and masks, and resolvers of many records."""
