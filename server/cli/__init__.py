"""The command line: one module for each longer command, progress bars, and error output."""
