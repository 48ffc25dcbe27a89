"""What one request has: its context, loaders, masks, and how a resolver answers for many objects at once."""
