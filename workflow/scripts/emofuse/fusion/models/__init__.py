"""What a system of the config's section `systems` may be: a file for each kind, which docs/extending.md explains."""
