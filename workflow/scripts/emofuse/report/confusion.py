"""What the final system takes for what: the matrix, and each of its cells in words."""

import numpy as np

from emofuse.report.outputs import class_title


def confusion_matrix(confusion, classes, system="chosen"):
    """Test turns by true class (rows) and prediction, summed over folds, mean over seeds; (classes, classes)."""
    frame = confusion[(confusion["system"] == system) & (confusion["split"] != "pooled")]
    summed = frame.groupby(["truth", "prediction"])["count"].sum().unstack(fill_value=0)
    matrix = summed.reindex(index=classes, columns=classes, fill_value=0).to_numpy(dtype=np.float64)
    return matrix / frame["seed"].nunique()


def shares(matrix):
    """Each cell of a matrix in percent of its row; 0 where the row is empty."""
    totals = matrix.sum(axis=1, keepdims=True)
    return np.divide(100 * matrix, totals, out=np.zeros_like(matrix), where=totals > 0)


def confusion_cells(confusion, classes, errors):
    """The matrix as the page shows it: a dict a true class, {title, turns, cells}; cells: a dict a prediction, {id, count,
    share (percent), says, right, turns}.

    errors: of `errors.find_errors`; a cell's `turns` are the ids of those that are in it. Counts are texts: with several seeds
    they are means, to one decimal.
    """
    matrix = confusion_matrix(confusion, classes)
    percent, decimals = shares(matrix), int(confusion["seed"].nunique() > 1)
    listed = errors.reset_index().groupby(["truth", "prediction"])["turn_id"].agg(list).to_dict()
    rows = []
    for i, truth in enumerate(classes):
        turns = f"{matrix[i].sum():,.0f}"
        cells = []
        for j, said in enumerate(classes):
            count = f"{matrix[i, j]:,.{decimals}f}"
            were = "was" if float(matrix[i, j]) == 1 else "were"
            of = f"{turns} turn{'s' if turns != '1' else ''} of {class_title(truth)}"
            called = "called so" if i == j else f"called {class_title(said)}"
            cells.append(
                {
                    "id": f"{truth}-called-{said}",
                    "count": count,
                    "share": percent[i, j],
                    "says": f"Of {of}, {count} {were} {called}, {percent[i, j]:.1f} %.",
                    "right": i == j,
                    "turns": listed.get((truth, said), []),
                }
            )
        rows.append({"title": class_title(truth), "turns": turns, "cells": cells})
    return rows


def most_confused(rows):
    """The cell of `confusion_cells` beside the diagonal that has the largest share of its row."""
    return max((cell for row in rows for cell in row["cells"] if not cell["right"]), key=lambda cell: cell["share"])
