"""The made-up district Plainview: its schools, people, names and school days."""
