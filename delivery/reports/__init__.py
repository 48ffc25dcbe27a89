"""Reports: jobs, the process that renders, its source of rows, and the stores of files."""
