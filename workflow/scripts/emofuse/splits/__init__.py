"""Which turns train, validate and test, and that nothing leaks between them."""
