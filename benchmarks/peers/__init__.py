"""The whole server beside what a user would otherwise choose on the same PostgreSQL, and beside the floor.

    python -m benchmarks.peers [--messages 1000000 --deliveries 10000000] [--url …] [--write]

The peers are PostGraphile 5 and graphql-yoga with graphql-jit (`node/`), the floor a bare Starlette route with one statement
written by hand. All of them answer from the same tables, rows and indexes, and with the same answer: that is compared before
anything is timed. They take turns in one run. What it found last is in `benchmarks/peers.md`.
"""
