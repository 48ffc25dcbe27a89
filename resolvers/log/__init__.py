"""What clients need not compute from a message: its texts as the log shows them, what the viewer may do with it, and its state."""
