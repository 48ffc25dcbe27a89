"""What providers report: receipts, callbacks, and asking for what is missing."""
