"""The descriptions of the contract."""
