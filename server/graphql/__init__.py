"""GraphQL over HTTP, WebSocket and server-sent events; persisted documents; rate budget."""
