"""Background work: hand due deliveries to their providers, take in receipts, make reports, purge.

This layer does not know GraphQL or the request that started a job.
"""
