"""Brings the modalities' vectors together and lets classifiers decide."""
