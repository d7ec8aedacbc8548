"""How the modalities' vectors become one: a file for each combination, which docs/extending.md explains."""
