"""The config of a run: what its keys may be, whether they go together, what they mean."""
