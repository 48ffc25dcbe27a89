"""Reading the log: messages, recipients, deliveries, districts, schools, counters, and the visibility of messages."""
