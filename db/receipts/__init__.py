"""What providers report: receipts that belong to no delivery, used signatures, what is to be asked of a provider."""
