"""Figures 1 to 12 of the paper, and the scores, intervals and calibration of all systems."""
