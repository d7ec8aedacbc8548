"""Cuts text, sound and picture of each turn, and knows where clips lie and whether they are whole."""
