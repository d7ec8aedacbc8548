"""A run as its pages know it before they read any of its files."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """Names and config of a run.

    notice: a warning shown above everything, or ''. facts: what the config says and the files do not, as for
    `card.protocol_card`. references: resources/reference_numbers.tsv, where the config names systems.
    """

    corpus: str
    name: str
    notice: str
    facts: dict
    references: str | None = None

    @property
    def classes(self):
        """Class names in order."""
        return list(self.facts["classes"])

    @property
    def class_of(self):
        """{raw label: its class}."""
        return {label: name for name, labels in self.facts["classes"].items() for label in labels}
