"""Says how sure the scores are: intervals, tests between systems, scores by speaker and kind of turn, calibration."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from emofuse.evaluation import statistics
from emofuse.evaluation.choice import add_derived, best_of_each_way
from emofuse.evaluation.folds import pooled_tests, strata
from emofuse.evaluation.predictions import read_predictions, read_splits
from emofuse.fusion.calibration import brier, expected_calibration_error, reliability
from emofuse.fusion.systems import CHOSEN, CHOSEN_SINGLE
from emofuse.runtime.store import read_parquet, write_parquet

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class AssessmentFiles:
    """The files that `assess` writes, Parquet. With several seeds values are means over them.

    - intervals: system, kind, measure (wa, ua, macro_f1, weighted_f1), value; low, high: 95 % interval by bootstrap over
      dialogs within sessions; fold_low, fold_high: 95 % t interval of the mean over the folds, null with one fold; seed_sd:
      standard deviation over the seeds, null with one
    - comparisons: second, role, measure (wa, ua), difference (final system minus second); low, high: its 95 % interval by the
      same bootstrap; p (sign flips of whole dialogs), p_holm (corrected over all comparisons of that measure), holds
      (p_holm < 0.05); for wa also only_first, only_second (turns that only one of them has right) and p_mcnemar (exact;
      takes turns as independent), of the first seed. The family is declared: every single modality, the one that would be
      chosen on validation (chosen-single), every baseline, every named system, each way of fusing with its classifier chosen
      as the final one is
    - contexts: first, second (named systems that differ in how much of the dialog they read, the one that reads more first),
      measure, difference, low, high, p, p_holm, holds: as above, corrected over these pairs
    - groups: grouping (speaker, style, words, motion), group, system (baselines, single modalities, final system; of motion
      baselines and the systems that read it), n, wa, ua. Of motion the group is whom it shows, speaker or listener. Words
      are seen where a training turn of the same fold has the same words
    - calibration: system, kind, when (before, after), n, ece, brier; systems without a validation part have none, an SVM no
      `before`
    - reliability: system (single modalities, final system), when, bin, n, confidence, accuracy
    """

    intervals: Path
    comparisons: Path
    contexts: Path
    groups: Path
    calibration: Path
    reliability: Path


def assess(predictions, splits, words, final_system, files, pairs=(), motion=None, resamples=10_000):
    """Write what the test turns of one protocol, pooled over the folds, say about its systems to `files`, AssessmentFiles.

    predictions, splits, final_system: as for `scores.evaluate`. words: words.parquet, or None where no system reads. pairs:
    (more, less) names of the systems that differ in how much of the dialog they read. motion: path of the sequences of motion
    that a system reads, or None.
    """
    frames, classes = read_splits(splits)
    folds, _ = read_predictions(predictions, frames, classes, probabilities=True)
    add_derived(folds, frames, classes, final_system)
    family = best_of_each_way(folds, frames)
    for name, picks in family.items():
        for key, fold in folds.items():
            fold.add(name, picks[key])
    tests = {key: fold.part("test") for key, fold in folds.items()}
    pooled, facts = pooled_tests(folds, frames)
    systems = sorted((s for s in pooled[0].predictions if s.kind != "substituted"), key=lambda system: system.order)

    counts = count(pooled, facts, systems, len(classes))
    by_fold = []
    for split in frames:
        of_split = [fold for (other, _), fold in tests.items() if other == split]
        by_fold.append(count(of_split, facts.loc[of_split[0].turns], systems, len(classes)))
    declared = [system for system in systems if system.name not in {name.name for name in family}]
    drawn = statistics.resample(counts, resamples)
    write_parquet(files.intervals, intervals_table(counts, drawn, by_fold, systems, declared))
    write_parquet(files.comparisons, comparisons_table(counts, drawn, pooled[0], systems, family, resamples))
    write_parquet(files.contexts, contexts_table(counts, drawn, systems, pairs, resamples))
    shown = [system for system in systems if system.kind in ("single", "baseline") or system == CHOSEN]
    seen = None if words is None else words_seen(words, frames, facts)
    groups = groups_table(pooled, facts, shown, groupings(facts, seen), len(classes))
    if motion:
        whose = read_parquet(motion, columns=["turn_id", "shows"]).to_pandas().set_index("turn_id")["shows"]
        moved = [system for system in systems if system.kind == "baseline" or "motion" in system.modalities]
        by_motion = groups_table(pooled, facts, moved, {"motion": whose.reindex(facts.index)}, len(classes))
        groups = pa.concat_tables([groups, by_motion])
    write_parquet(files.groups, groups)
    write_parquet(files.calibration, calibration_table(pooled, declared))
    pictured = [system for system in shown if system.kind != "baseline"]
    write_parquet(files.reliability, reliability_table(pooled, pictured))


def count(folds, facts, systems, classes):
    """`statistics.count` of some systems on one Fold a seed, of the same turns; `facts`: their rows of the split."""
    said = np.array([[fold.predictions[system] for fold in folds] for system in systems])
    return statistics.count(facts["dialog"].to_numpy(str), strata(facts), folds[0].truth, said, classes)


def intervals_table(counts, drawn, by_fold, systems, wanted):
    """The table `intervals` of `assess` for the systems wanted of `systems`; drawn: of `statistics.resample`."""
    values, bounds = statistics.scores(counts), statistics.interval_ends(drawn)
    folds = [statistics.scores(of_fold) for of_fold in by_fold]
    rows = []
    for number, system in enumerate(systems):
        for measure, of_measure in values.items() if system in wanted else ():
            fold_low, fold_high = statistics.t_interval([fold[measure][number].mean() for fold in folds])
            rows.append(
                {
                    "system": system.name,
                    "kind": system.kind,
                    "measure": measure,
                    "value": of_measure[number].mean(),
                    "low": bounds[measure][number, 0],
                    "high": bounds[measure][number, 1],
                    "fold_low": fold_low,
                    "fold_high": fold_high,
                    "seed_sd": of_measure[number].std(ddof=1) if of_measure.shape[1] > 1 else np.nan,
                }
            )
    return pa.Table.from_pandas(pd.DataFrame(rows), preserve_index=False)


def comparisons_table(counts, drawn, fold, systems, family, flips):
    """The table `comparisons` of `assess`; drawn: of `statistics.resample`; `fold`: the predictions of the first seed, for
    McNemar's test."""
    roles = {system: "single modality" for system in systems if system.kind == "single"}
    roles |= {system: "baseline" for system in systems if system.kind == "baseline"}
    roles |= {system: "named in the config" for system in systems if system.kind == "named"}
    roles |= {
        system: "single, chosen on validation" if system == CHOSEN_SINGLE else "other fusion" for system in family
    }
    number = {system: index for index, system in enumerate(systems)}
    pairs = [(number[CHOSEN], number[system]) for system in roles]
    compared, rows = list(roles.items()), []
    for index, row in differences(counts, drawn, pairs, flips):
        system, role = compared[index]
        row |= {"second": system.name, "role": role}
        if row["measure"] == "wa":
            first, second = (fold.predictions[s] == fold.truth for s in (CHOSEN, system))
            row |= {"only_first": int((first & ~second).sum()), "only_second": int((second & ~first).sum())}
            row["p_mcnemar"] = statistics.mcnemar(first, second)
        rows.append(row)
    schema = pa.schema(
        [(name, pa.string()) for name in ("second", "role", "measure")]
        + DIFFERENCE
        + [("only_first", pa.int64()), ("only_second", pa.int64()), ("p_mcnemar", pa.float64())]
    )
    return pa.Table.from_pylist(rows, schema)


DIFFERENCE = [*((name, pa.float64()) for name in ("difference", "low", "high", "p", "p_holm")), ("holds", pa.bool_())]


def differences(counts, drawn, pairs, flips):
    """Yield (number of the pair, {measure, difference, low, high, p, p_holm, holds}) for each measure and pair of systems, of
    which `pairs` has the numbers; drawn: of `statistics.resample`."""
    a, b = np.transpose(pairs)
    bounds = statistics.interval_ends({name: of[:, a] - of[:, b] for name, of in drawn.items()})
    for measure, (values, p) in statistics.sign_flip(counts, pairs, flips).items():
        corrected = statistics.holm(p)
        for index, value in enumerate(values):
            low, high = bounds[measure][index]
            row = {"measure": measure, "difference": value, "low": low, "high": high, "p": p[index]}
            yield index, row | {"p_holm": corrected[index], "holds": bool(corrected[index] < SIGNIFICANT)}


def contexts_table(counts, drawn, systems, pairs, flips):
    """The table `contexts` of `assess`; pairs: (more, less) names of systems."""
    number = {system.name: index for index, system in enumerate(systems)}
    found = differences(counts, drawn, [(number[a], number[b]) for a, b in pairs], flips) if pairs else ()
    rows = [{"first": pairs[index][0], "second": pairs[index][1]} | row for index, row in found]
    schema = pa.schema([(name, pa.string()) for name in ("first", "second", "measure")] + DIFFERENCE)
    return pa.Table.from_pylist(rows, schema)


def words_seen(words, frames, facts):
    """For each test turn (the index of `facts`) whether a training turn of its fold has the same words; nan without words.

    Words are compared in small letters, without punctuation and transcribers' marks.
    """
    table = read_parquet(words, columns=["turn_id", "text"])
    plain = {
        turn: " ".join(re.findall(r"[a-z0-9']+", text.lower()))
        for turn, text in zip(table["turn_id"].to_pylist(), table["text"].to_pylist(), strict=True)
    }
    seen = pd.Series(np.nan, index=facts.index, dtype=object)
    for frame in frames.values():
        known = {plain.get(turn, "") for turn in frame.index[frame["part"] == "train"]} - {""}
        for turn in frame.index[frame["part"] == "test"].intersection(facts.index):
            if plain.get(turn, ""):
                seen[turn] = plain[turn] in known
    return seen


def groupings(facts, seen):
    """{grouping: group of each turn (Series)}."""
    found = {"speaker": facts["speaker"], "style": facts["style"].replace("", "all")}
    return found if seen is None else found | {"words": seen.map({True: "seen", False: "unseen"})}


def groups_table(folds, facts, systems, groupings, classes):
    """The table `groups` of `assess`; folds: one a seed; groupings: {grouping: group of each turn, nan of one in none}."""
    rows = []
    for grouping, labels in groupings.items():
        for group in sorted(labels.dropna().unique()):
            mask = (labels == group).to_numpy()
            of_group = [fold.where(mask) for fold in folds]
            values = statistics.scores(count(of_group, facts[mask], systems, classes))
            for number, system in enumerate(systems):
                rows.append(
                    {"grouping": grouping, "group": group, "system": system.name, "n": int(mask.sum())}
                    | {measure: values[measure][number].mean() for measure in ("wa", "ua")}
                )
    return pa.Table.from_pylist(rows)


def calibration_table(folds, systems):
    """The table `calibration` of `assess`; folds: one a seed."""
    rows = []
    for system, when in _calibrated(folds, systems):
        found = [(fold.probabilities[when][system], fold.truth) for fold in folds]
        rows.append(
            {
                "system": system.name,
                "kind": system.kind,
                "when": when,
                "n": len(folds[0].turns),
                "ece": float(np.mean([expected_calibration_error(*of_seed) for of_seed in found])),
                "brier": float(np.mean([brier(*of_seed) for of_seed in found])),
            }
        )
    texts, numbers = ("system", "kind", "when"), ("ece", "brier")
    schema = [(name, pa.string()) for name in texts] + [("n", pa.int64())] + [(name, pa.float64()) for name in numbers]
    return pa.Table.from_pylist(rows, pa.schema(schema))


def reliability_table(folds, systems):
    """The table `reliability` of `assess`: the turns of all seeds together."""
    rows = []
    for system, when in _calibrated(folds, systems):
        probabilities = np.concatenate([fold.probabilities[when][system] for fold in folds])
        found = reliability(probabilities, np.concatenate([fold.truth for fold in folds]))
        for number, (n, confidence, accuracy) in enumerate(zip(*found, strict=True)):
            row = {"system": system.name, "when": when, "bin": number, "n": int(n)}
            rows.append(row | {"confidence": float(confidence), "accuracy": float(accuracy)})
    schema = [("system", pa.string()), ("when", pa.string()), ("bin", pa.int64()), ("n", pa.int64())]
    return pa.Table.from_pylist(rows, pa.schema([*schema, ("confidence", pa.float64()), ("accuracy", pa.float64())]))


def _calibrated(folds, systems):
    """The (system, when) that have probabilities in every fold and seed."""
    return [
        (system, when)
        for system in systems
        for when in ("before", "after")
        if all(system in fold.probabilities[when] for fold in folds)
    ]
