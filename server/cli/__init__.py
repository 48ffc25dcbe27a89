"""The command line: one module for each command that is more than a few lines, progress bars, and errors as they are shown."""
