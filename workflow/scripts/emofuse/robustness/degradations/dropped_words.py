"""Words that are not there."""

PLACE = 7
TITLE = "Dropped words"
MODALITY = "text"
UNIT = "% dropped"
SAID = "{:g} %"
SENTENCE = "each word dropped with a probability of so many percent"
SEVERITIES = [10, 30, 50]
RANGE = (0, 100)


def degrade(words, severity, turn):
    """A turn's text; severity: percent. What a smaller share drops a larger one drops too."""
    words = words.split()
    kept = turn.rng.random(len(words)) >= severity / 100
    return " ".join(word for word, stays in zip(words, kept, strict=True) if stays)
