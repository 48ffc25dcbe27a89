"""The root types: queries, mutations, subscriptions."""
