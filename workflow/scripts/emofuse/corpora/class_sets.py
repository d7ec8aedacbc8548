"""Names the field's sets of classes, each class with its raw labels."""

CLASS_SETS = {
    "four": {"ang": ["ang"], "hap": ["hap", "exc"], "neu": ["neu"], "sad": ["sad"]},
    "four_without_excited": {"ang": ["ang"], "hap": ["hap"], "neu": ["neu"], "sad": ["sad"]},
    "six": {"ang": ["ang"], "exc": ["exc"], "fru": ["fru"], "hap": ["hap"], "neu": ["neu"], "sad": ["sad"]},
}
