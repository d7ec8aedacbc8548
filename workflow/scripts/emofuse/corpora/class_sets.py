"""Names the field's sets of classes, each class with its raw labels."""

NO_MAJORITY = "xxx"  # the raw label of turns on which annotators do not agree, which is in no class

CLASS_SETS = {
    "four": {"ang": ["ang"], "hap": ["hap", "exc"], "neu": ["neu"], "sad": ["sad"]},
    "four_without_excited": {"ang": ["ang"], "hap": ["hap"], "neu": ["neu"], "sad": ["sad"]},
    "six": {"ang": ["ang"], "exc": ["exc"], "fru": ["fru"], "hap": ["hap"], "neu": ["neu"], "sad": ["sad"]},
}
