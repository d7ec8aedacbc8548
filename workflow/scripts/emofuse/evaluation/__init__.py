"""Scores systems, says how sure that is, and chooses among them."""
