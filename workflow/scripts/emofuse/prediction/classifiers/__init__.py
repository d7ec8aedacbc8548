"""How each trained classifier is kept without a pickle: a file for each of fusion/classifiers, of the same name."""
