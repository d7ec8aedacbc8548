"""Says before a run what it will cost here, and what it can show."""
