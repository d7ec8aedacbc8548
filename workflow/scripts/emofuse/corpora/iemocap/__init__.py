"""IEMOCAP as its authors release it."""
