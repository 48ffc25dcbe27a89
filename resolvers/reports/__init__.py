"""Reports: requesting them, and downloading their files."""
