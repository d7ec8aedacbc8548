"""How a window's states become one vector: a file for each pooling, which docs/extending.md explains."""
