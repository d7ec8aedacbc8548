"""Asks a finished run about its test part once more, under noise and other degradations, with everything as it was trained."""
