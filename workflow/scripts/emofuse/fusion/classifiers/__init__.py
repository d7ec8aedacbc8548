"""What learns from fused vectors: a file for each classifier, which docs/extending.md explains."""
