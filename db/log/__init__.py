"""Reading the log: messages, recipients, deliveries, districts and schools, figures, and what a viewer may see."""
