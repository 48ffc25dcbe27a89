"""Addresses, the people behind them, and the worklist of their problems."""
