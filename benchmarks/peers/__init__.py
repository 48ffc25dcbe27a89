"""Compares the whole server with its alternatives on the same PostgreSQL, and with a floor.

    python -m benchmarks.peers [--messages 1000000 --deliveries 10000000] [--url …] [--write]

The peers are PostGraphile 5 and graphql-yoga with graphql-jit (`node/`); the floor is a bare Starlette route with one
handwritten statement. All of them use the same tables, rows and indexes, and return the same answer, which is compared
before the measurement. They alternate in one run. The last result is in `benchmarks/peers.md`.
"""
