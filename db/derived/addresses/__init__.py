"""Addresses: their states, their problems, and the people behind them."""
