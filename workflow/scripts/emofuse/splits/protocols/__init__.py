"""How a corpus is split: a file for each protocol, which docs/extending.md explains."""
