"""Ways to degrade sound, picture and words: a file for each."""
