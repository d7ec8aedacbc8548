"""Lays out a corpus's contact sheet: stills of who speaks, and the dialogs whose picture moves with the sound elsewhere."""

import base64

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from emofuse.corpora.problems import PROBLEM_COLUMNS
from emofuse.report.pages import write_page
from emofuse.runtime import store
from emofuse.runtime.errors import EmofuseError

# A dialog is listed where it is wrong with a false discovery rate (Benjamini & Hochberg) of this: of those listed, 1 in 20 may
# be right.
ERROR_RATE = 0.05
FEWEST = 3  # turns that a test needs
NEAR_ONE = 0.99  # correlations are cut to this, or Fisher's z has no end

WRONG, UNSURE, RIGHT, NO_NUMBER = "other part", "cannot tell", "crop", "no number"
VERDICTS = {
    WRONG: "the other part of the picture moves with the sound",
    UNSURE: "it cannot be told which part moves with the sound",
    RIGHT: "the crop moves with the sound",
    NO_NUMBER: "no turn can be compared with its sound",
}
NUMBERS_SCHEMA = pa.schema(
    [
        ("dialog", pa.string()),
        ("speaker", pa.string()),
        ("turns", pa.int32()),
        ("compared", pa.int32()),  # turns that have a number
        ("own", pa.float64()),  # mean correlation of the motion in the crop with the sound
        ("other", pa.float64()),  # the same of the other part of the picture
        ("share", pa.float64()),  # of the turns compared in which the crop has the larger one
        ("t", pa.float64()),  # paired over the speaker's turns; negative where the other part moves with the sound
        ("p", pa.float64()),  # of that t, two-sided
        ("dialog_t", pa.float64()),  # over the turns of both speakers, whose halves change places together
        ("dialog_q", pa.float64()),  # of that t, one-sided, corrected: small where the other part moves with the sound
        ("verdict", pa.string()),  # of the dialog: a key of VERDICTS
    ]
)


def make_contact_sheet(run, watched, page, numbers, problems):
    """Write the page, its numbers (NUMBERS_SCHEMA, a row a dialog and speaker) and the dialogs that look wrong as problems.

    run: a `run.Run`. watched: paths of tables as `clips.stills` has them. Raises EmofuseError
    where they hold no turn.
    """
    turns = pa.concat_tables([store.read_parquet(path) for path in watched]).to_pandas()
    if turns.empty:
        raise EmofuseError(f"{run.corpus} has no turn with a picture, so there is nothing for a contact sheet to show.")
    judged = judge(turns)
    speakers = by_speaker(turns, judged)
    store.write_parquet(numbers, pa.Table.from_pandas(speakers, NUMBERS_SCHEMA, preserve_index=False))
    store.write_tsv(
        problems, [_problem(*row) for row in judged[judged["verdict"] == WRONG].iterrows()], PROBLEM_COLUMNS
    )
    shown = turns[turns["shown"]].sort_values(["start_s", "turn_id"])
    counts = judged["verdict"].value_counts()
    write_page(
        page,
        "contact.html.j2",
        run,
        counts=[(VERDICTS[verdict], int(counts[verdict])) for verdict in VERDICTS if verdict in counts],
        wrong=WRONG,
        judged=not (judged["verdict"] == NO_NUMBER).all(),
        means=speakers[["own", "other"]].mean().to_dict(),
        error_rate=ERROR_RATE,
        problems=str(problems).rsplit("/", 1)[-1],
        cards=[
            _card(dialog, row, speakers[speakers["dialog"] == dialog], shown[shown["dialog"] == dialog])
            for dialog, row in judged.iterrows()
        ],
    )


def judge(turns):
    """Whether the crop or the other part moves with the sound, of each dialog: DataFrame by dialog, the worst first.

    turns: dialog, own, other (correlations; null where there are none) of each turn. Columns: turns, compared, t, q_wrong,
    q_right, verdict. t: paired over the turns' correlations, as Fisher's z; t and both q are NaN for fewer than FEWEST
    turns or where no two differ.
    """
    rows = {}
    for dialog, of_dialog in turns.groupby("dialog"):
        t, p = _paired(of_dialog)
        wrong = p / 2 if t < 0 else 1 - p / 2
        rows[dialog] = {
            "turns": len(of_dialog),
            "compared": int(of_dialog["own"].notna().sum()),
            "t": t,
            "q_wrong": wrong,
            "q_right": 1 - wrong,
        }
    judged = pd.DataFrame.from_dict(rows, orient="index").rename_axis("dialog")
    tested = judged["t"].notna()
    for column in ("q_wrong", "q_right"):
        if tested.any():
            judged.loc[tested, column] = stats.false_discovery_control(judged.loc[tested, column])
    judged["verdict"] = np.select(
        [judged["compared"] == 0, judged["q_wrong"] < ERROR_RATE, judged["q_right"] < ERROR_RATE],
        [NO_NUMBER, WRONG, RIGHT],
        UNSURE,
    )
    rank = judged["verdict"].map(list(VERDICTS).index)
    return judged.assign(rank=rank).sort_values(["rank", "t"], kind="stable").drop(columns="rank")


def by_speaker(turns, judged):
    """The numbers of each dialog and speaker: DataFrame of NUMBERS_SCHEMA, in the order of `judged`."""
    rows = []
    for dialog, verdict in judged.iterrows():
        of_dialog = turns[turns["dialog"] == dialog]
        for speaker, own in of_dialog.groupby("speaker"):
            compared = own[own["own"].notna()]
            t, p = _paired(own)
            more = (compared["own"] > compared["other"]).mean() if len(compared) else np.nan
            rows.append(
                {
                    **{"dialog": dialog, "speaker": speaker, "turns": len(own), "compared": len(compared)},
                    **{"own": compared["own"].mean(), "other": compared["other"].mean(), "share": more, "t": t, "p": p},
                    **{"dialog_t": verdict["t"], "dialog_q": verdict["q_wrong"], "verdict": verdict["verdict"]},
                }
            )
    return pd.DataFrame(rows, columns=NUMBERS_SCHEMA.names)


def _paired(turns):
    """(t, two-sided p) over the turns, of the crop's correlation less the other part's; NaN where there is no test."""
    own, other = (np.arctanh(turns[name].dropna().astype(float).clip(-NEAR_ONE, NEAR_ONE)) for name in ("own", "other"))
    if len(own) < FEWEST or np.ptp(own - other) < 1e-9:
        return np.nan, np.nan
    found = stats.ttest_rel(own, other)
    return float(found.statistic), float(found.pvalue)


def _problem(dialog, row):
    """The row of problems.tsv of a dialog that looks wrong."""
    note = f"over {row['compared']} turns t is {row['t']:.1f}, corrected p {row['q_wrong']:.2g}"
    return dict(
        zip(
            PROBLEM_COLUMNS,
            (
                dialog,
                "warning",
                f"crop may show the wrong speaker: the other part of the picture moves with the sound; {note}",
                "kept as it is; its stills come first in contact_sheet.html",
            ),
            strict=True,
        )
    )


def _card(dialog, judged, speakers, shown):
    """A dialog as the template shows it."""
    stills = {speaker: list(map(_still, of.to_dict("records"))) for speaker, of in shown.groupby("speaker")}
    return {
        "dialog": dialog,
        "verdict": judged["verdict"],
        "says": VERDICTS[judged["verdict"]],
        "t": None if np.isnan(judged["t"]) else judged["t"],
        "speakers": [{**row, "stills": stills[row["speaker"]]} for row in speakers.to_dict("records")],
    }


def _still(turn):
    x, y, width, height = (100 * value for value in turn["crop"])
    return {
        "turn": turn["turn_id"],
        "source": f"data:image/jpeg;base64,{base64.b64encode(turn['still']).decode()}" if turn["still"] else None,
        "note": turn["note"] or "no frame",
        "box": f"left: {x:.1f}%; top: {y:.1f}%; width: {width:.1f}%; height: {height:.1f}%",
        "crop": _named(turn["crop"]),
    }


def _named(crop):
    """A crop in words."""
    names = {(0.0, 0.0, 0.5, 1.0): "left half", (0.5, 0.0, 0.5, 1.0): "right half", (0.0, 0.0, 1.0, 1.0): "all of it"}
    return names.get(tuple(crop)) or "x {:.2f}, y {:.2f}, {:.2f} wide, {:.2f} high".format(*crop)
