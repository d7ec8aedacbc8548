"""Statistics of a turn's sound, without a network: a file for each set, which docs/extending.md explains."""
