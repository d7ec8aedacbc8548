"""Finds the test turns on which the final system is most surely wrong, and what each single modality says of them."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from emofuse.runtime.store import read_metadata, read_parquet, read_tsv

WORST = 20  # of all errors
OF_KIND = 3  # of those of one true class that were called the same


def find_errors(predictions, chosen, classes):
    """The surest errors, the surest first: WORST of all, and OF_KIND of each pair of true class and answer.

    predictions: prediction files of one protocol, chosen: its chosen.tsv, both of one evaluation. A DataFrame by turn_id and
    prediction with split, truth, seeds (in how many of them that was said), probability (calibrated, of what was said, mean
    over these; NaN where there is none), margin (score of what was said less that of the truth, alike; NaN where the truth had
    no score) and a column a modality: what it says alone, with several seeds all that it says. Errors said in more seeds come
    first; those without a probability are ordered by margin. This reads labels of test turns, so nothing may be chosen by it.
    """
    picks = {(row["split"], row["seed"]): row["system"] for row in read_tsv(chosen)}
    files = [_test_rows(path, picks, classes) for path in predictions]
    files = [rows for rows in files if len(rows)]
    rows = pd.concat(files, ignore_index=True)
    final = rows[rows["final"]]
    wrong = final[final["truth"] != final["prediction"]]
    key = ["turn_id", "prediction"]
    errors = wrong.groupby(key).agg(
        split=("split", "first"),
        truth=("truth", "first"),
        seeds=("seed", "nunique"),
        probability=("probability", "mean"),
        margin=("margin", "mean"),
    )
    errors = errors.sort_values(["seeds", "probability", "margin"], ascending=False, kind="stable")
    first = errors.groupby(["truth", "prediction"], sort=False).cumcount() < OF_KIND
    first.iloc[:WORST] = True
    errors = errors[first].reset_index()
    alone = rows[(rows["modality"] != "") & rows["turn_id"].isin(errors["turn_id"])]
    said = alone.groupby(["turn_id", "modality"])["prediction"].agg(lambda names: " or ".join(dict.fromkeys(names)))
    return errors.join(said.unstack(), on="turn_id").set_index(key)


def _test_rows(path, picks, classes):
    """What the final system and the single modalities of a prediction file say of test turns."""
    metadata = read_metadata(path)
    pick = picks.get((metadata["split"], metadata["seed"]))
    alone, names = {}, []
    for of in json.loads(metadata["systems"]):
        if of["kind"] == "single":
            alone[of["name"]] = of["modalities"][0]
        if of["kind"] == "single" or of["name"] == pick:
            names.append(of["name"])
    if pick is None or not names:
        return pd.DataFrame()
    columns = [f"{kind}_{name}" for kind in ("score", "prob") for name in classes]
    table = read_parquet(path, columns=["system", "turn_id", "part", "truth", "prediction", *columns])
    asked = pc.and_(pc.is_in(table["system"], pa.array(names)), pc.equal(table["part"], "test"))
    rows = table.filter(asked).to_pandas()
    if rows.empty:
        return rows

    def values(kind, column):
        """Of each row the value of the class that `column` names."""
        place = rows[column].map(list(classes).index).to_numpy()
        numbers = rows[[f"{kind}_{name}" for name in classes]].to_numpy(dtype=float)
        return numbers[range(len(rows)), place]

    return pd.DataFrame(
        {
            **{name: rows[name] for name in ("turn_id", "truth", "prediction")},
            "split": metadata["split"],
            "seed": metadata["seed"],
            "final": rows["system"] == pick,
            "modality": rows["system"].map(alone).fillna(""),
            "probability": values("prob", "prediction"),
            "margin": values("score", "prediction") - values("score", "truth"),
        }
    )
