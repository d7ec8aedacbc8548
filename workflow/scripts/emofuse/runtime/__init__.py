"""How a job runs, where, and how it fails; how files are written and read."""
