"""Exports the final system of a finished run, and lets it speak of clips that no corpus holds."""
