"""Reports that were requested, the jobs that make them, and the marks in them."""
