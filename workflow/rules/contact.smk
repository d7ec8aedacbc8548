"""Show whether the crop holds who speaks. In: turns, audio clips, avis. Out: contact_sheet.html, its numbers and problems.

Nothing else waits for it: a target of its own, `snakemake contact_sheet`.
"""


rule watch_dialog:
    input:
        turns="results/<corpus>/turns.parquet",
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
