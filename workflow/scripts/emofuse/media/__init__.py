"""Reads sound and pictures: one reader decides what a file holds."""
