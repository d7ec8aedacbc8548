"""Show whether the crop holds who speaks. In: labels (for the times), audio clips, avis. Out: contact_sheet.html and numbers.

Nothing else waits for it: a target of its own, `snakemake contact_sheet`.
"""

import hashlib
import json
from functools import cache

from emofuse.corpora import sheet


@cache
def chosen_turns():
    """`sheet.chosen` of the corpus, once for the jobs of all units, and only in a run that makes the sheet."""
    return sheet.chosen(plan.listing.rows)


def chosen_digest(wildcards):
    """A hash of which turns of a unit the sheet counts, on which cards, and shows."""
    cards, shown = chosen_turns()
    turns = [row.turn_id for row in plan.listing.by_unit[wildcards.dialog]]
    facts = [[turn, cards[turn], turn in shown] for turn in turns if turn in cards]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


if plan.listing:

    rule watch_dialog:
        output:
            "results/<corpus>/contact_sheet/{dialog}.parquet",
        log:
            "results/<corpus>/logs/watch_dialog/{dialog}.log",
        benchmark:
            "results/<corpus>/benchmarks/watch_dialog/{dialog}.tsv"
        group:
            "clips"
        conda:
            "../../envs/emofuse.yaml"
        resources:
            mem_mb=1000,
            runtime=60,
            on_missing=config["corpus"]["on_missing"],
        params:
            code=recipe("watch_listing"),
            corpus=RECIPE,
            digest=lambda w: plan.listing.digest("video", w.dialog),
            chosen=chosen_digest,
        script:
            "../scripts/watch_listing.py"

else:

    rule watch_dialog:
        input:
            labels=label_file,
            sound="results/<corpus>/clips/audio/{dialog}.manifest.tsv",
            avi=lambda w: plan.existing(paths.avi_path(plan.root, w.dialog)),
        output:
            "results/<corpus>/contact_sheet/{dialog}.parquet",
        log:
            "results/<corpus>/logs/watch_dialog/{dialog}.log",
        benchmark:
            "results/<corpus>/benchmarks/watch_dialog/{dialog}.tsv"
        group:
            "clips"
        conda:
            "../../envs/emofuse.yaml"
        resources:
            mem_mb=1000,
            runtime=10,
            on_missing=config["corpus"]["on_missing"],
        params:
            code=fingerprint("watch_dialog"),
            times=turn_times,
            clips=plan.clips_root("audio"),
        script:
            "../scripts/watch_dialog.py"


rule make_contact_sheet:
    input:
        expand("results/<corpus>/contact_sheet/{dialog}.parquet", dialog=plan.labelled_dialogs),
    output:
        page="results/<corpus>/contact_sheet.html",
        numbers="results/<corpus>/contact_sheet.parquet",
        problems="results/<corpus>/contact_sheet.problems.tsv",
    log:
        "results/<corpus>/logs/make_contact_sheet.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=fingerprint("make_contact_sheet"),
        corpus=plan.corpus,
        notice=config["corpus"]["notice"],
    script:
        "../scripts/make_contact_sheet.py"


rule contact_sheet:
    """Target: a page of stills that shows whether the crop holds who speaks."""
    input:
        "results/<corpus>/contact_sheet.html",
