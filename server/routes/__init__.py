"""HTTP routes beside GraphQL: ingest, callbacks of providers, downloads, the console."""
