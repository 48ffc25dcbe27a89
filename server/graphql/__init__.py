"""GraphQL over HTTP, WebSocket and server-sent events, persisted documents, and what an operation may cost."""
