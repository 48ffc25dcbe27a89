"""A process of the server or a worker: its start, the application, work in the background, health, log output, its supervisor."""
