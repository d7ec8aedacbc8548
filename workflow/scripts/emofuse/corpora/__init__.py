"""What a corpus is: its turns, words and recordings, its classes, and what is wrong with it."""
