"""A table, and what it looks like as CSV, Markdown and LaTeX."""

from dataclasses import dataclass, field

import pandas as pd

from emofuse.report.card import comment_lines
from emofuse.runtime.store import whole

P = "p"  # in `Table.digits`: a probability, which is never shown as 0


@dataclass(frozen=True)
class Table:
    """One table: row heads are the index (its names the heads of their columns), other columns hold numbers, or texts."""

    name: str
    caption: str
    values: pd.DataFrame  # percent but for the columns that `digits` names
    spread: pd.DataFrame | None = None  # same shape: standard deviation over the seeds, None with one seed
    digits: dict = field(default_factory=dict)  # column -> decimals shown, where it is not one; 0 for whole numbers; P
    bounds: tuple | None = None  # lower and upper ends of intervals, same shape each, nan where there is none

    def text(self):
        """The cells as shown: rounded, '± spread' with several seeds, '[low, high]', an en dash where there is no value."""
        shown = pd.DataFrame("", index=self.values.index, columns=self.values.columns, dtype=object)
        beside = {"spread": self.spread} | dict(zip(("low", "high"), self.bounds or (), strict=False))
        for j, column in enumerate(self.values.columns):
            for i, value in enumerate(self.values.iloc[:, j]):
                known = {name: f.iloc[i, j] for name, f in beside.items() if f is not None and pd.notna(f.iloc[i, j])}
                shown.iloc[i, j] = _cell(value, self.digits.get(column, 1), **known)
        return shown


def _cell(value, digits, spread=None, low=None, high=None):
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return "–"
    if digits == P:
        return shown_p(value)
    shown = f"{value:,.{digits}f}"
    if spread is not None and digits != 0:
        shown += f" ± {spread:,.{digits}f}"
    return shown if low is None else f"{shown} [{low:,.{digits}f}, {high:,.{digits}f}]"


def shown_p(value):
    """0.0142 -> '0.014', 0.0001 -> '< 0.001'."""
    return f"{value:.3f}" if value >= 0.0005 else "< 0.001"


def write_table(table, folder, card):
    """Write one table in all formats, headed by the card."""
    for ending, text in (
        ("csv", to_csv(table, card)),
        ("md", to_markdown(table, card)),
        ("tex", to_latex(table, card)),
    ):
        with whole(folder / f"{table.name}.{ending}") as partial:
            partial.write_text(text, encoding="utf-8")


def _flat(frame):
    """Row heads as columns, two-level column heads joined: {'Combination': ..., 'SVM WA': ...}."""
    flat = frame.reset_index()
    flat.columns = [_joined(column) for column in flat.columns]
    return flat


def _joined(column):
    return " ".join(filter(None, column)) if isinstance(column, tuple) else column


def to_csv(table, card=()):
    """Card and caption after `# `, then the values in full precision, beside each its `sd` over seeds, its `low` and `high`."""
    beside = {"sd": table.spread} | dict(zip(("low", "high"), table.bounds or (), strict=False))
    flat = table.values.index.to_frame(index=False)
    for j, column in enumerate(table.values.columns):
        values = table.values.iloc[:, j]
        whole_number = table.digits.get(column) == 0
        # Int64 can hold missing values.
        flat[_joined(column)] = (values.astype(float).round().astype("Int64") if whole_number else values).array
        for ending, frame in beside.items():
            if frame is not None and not whole_number and frame.iloc[:, j].notna().any():
                flat[f"{_joined(column)} {ending}"] = frame.iloc[:, j].array
    comments = "".join(f"# {line}\n" for line in [*comment_lines(card), table.caption])
    return f"{comments}{flat.to_csv(index=False, lineterminator=chr(10))}"


def to_markdown(table, card=()):
    """The card as a quotation, the caption and a pipe table."""
    flat = _flat(table.text()).map(lambda cell: str(cell).replace("|", "\\|"))
    heads = table.values.index.nlevels
    align = ["left"] * heads + ["right"] * (flat.shape[1] - heads)
    quoted = "".join(f"> - {line}\n" for line in comment_lines(card)) + "\n" * bool(card)
    cells = flat.to_markdown(index=False, disable_numparse=True, colalign=align if len(flat) else None)
    return f"{quoted}**{table.caption}**\n\n{cells}\n"


def to_latex(table, card=()):
    r"""The card after `%`, then a floating table for the booktabs package, every special character escaped.

    Its label is `tab:<name>`.
    """
    frame = table.text().reset_index().map(escape_latex)
    for level in range(frame.columns.nlevels):
        frame = frame.rename(columns=escape_latex, level=level if frame.columns.nlevels > 1 else None)
    heads = table.values.index.nlevels
    return "".join(f"% {line}\n" for line in comment_lines(card)) + frame.style.hide(axis="index").to_latex(
        hrules=True,
        caption=escape_latex(table.caption),
        label=f"tab:{table.name}",
        position_float="centering",
        multicol_align="c",
        column_format="l" * heads + "r" * table.values.shape[1],
    )


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
    "<": "$<$",
} | {character: f"\\{character}" for character in "&%$#_{}"}


def escape_latex(text):
    """`text` with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in str(text))
