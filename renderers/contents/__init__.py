"""The contents of each kind of report: a value with the facts in, a `ReportDocument` out."""
