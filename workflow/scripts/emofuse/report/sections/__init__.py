"""What the sections of the report say, each from the run's own files."""
