"""The GraphQL types: each describes a record. `messages` has those that refer to one another."""
