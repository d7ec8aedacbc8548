"""What several tables do with scores: means over the seeds, wide frames in percent, words on the turns they are of."""

from emofuse.report.systems import fold_names

KINDS = {"single": "Encoder alone", "early": "Early fusion", "late": "Late fusion"}
BOOTSTRAP = (
    "by bootstrap over dialogs, drawn within sessions: other dialogs of these speakers, scored by these trained "
    "models; neither other speakers nor another training are in them"
)


def over_seeds(frame):
    """Mean and standard deviation (None with one seed) over the index level 'seed' of a table of numbers."""
    levels = [level for level in frame.index.names if level != "seed"]
    by_row = frame.groupby(level=levels, sort=False)
    several = frame.index.get_level_values("seed").nunique() > 1
    return by_row.mean(), by_row.std(ddof=1) if several else None


def by_measure(intervals, column):
    """One column of intervals.parquet in percent: a row a system, a column a measure."""
    return intervals.pivot(index="system", columns="measure", values=column).mul(100)


def trained(scores):
    """The pooled rows of systems with a trained classifier: early, late and substituted ones."""
    fused = scores["kind"].isin(["early", "late", "substituted"]) & (scores["classifier"] != "argmax")
    return scores[(scores["split"] == "pooled") & fused]


def tested_turns(scores):
    """'the 1,103 test turns of 5 folds', with several seeds also what is shown of them."""
    pooled = scores[(scores["split"] == "pooled") & (scores["system"] == "chosen")]
    folds, seeds = fold_names(scores), scores["seed"].nunique()
    over = "of one fold" if len(folds) == 1 else f"of {len(folds)} folds"
    return f"the {int(pooled['n'].max()):,} test turns {over}" + (f", mean ± spread of {seeds} seeds" * (seeds > 1))


def encoder_note(scores, system):
    """' (roberta)' for `text-chosen`, whose name does not tell; '' for `text-bert`."""
    encoder = scores.loc[scores["system"] == system, "encoders"].iloc[0]
    return "" if system.endswith(f"-{encoder}") else f" ({encoder})"
