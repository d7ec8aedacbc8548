"""Index the release. In: the tree under corpus.root. Out: turns.parquet, words.parquet, media.parquet and problems.tsv.

Labels, transcripts and media are read by separate rules, because Snakemake reruns everything below a file that was made
again: so a corrected transcript never reaches sound or video.
"""


rule index_turns:
    input:
        labels=[p for d in DIALOGS for p in existing(release.label_path(ROOT, d))],
        counts=Path(workflow.basedir) / "resources/iemocap_counts.tsv",
    output:
        turns="results/<corpus>/turns.parquet",
        problems="results/<corpus>/index/turns.problems.tsv",
    params:
        code=fingerprint("index_turns"),
        root=str(ROOT),
        dialogs=DIALOGS,
        on_missing=config["corpus"]["on_missing"],
    log:
        "results/<corpus>/logs/index_turns.log",
    resources:
        mem_mb=2000,
        runtime=10,
    conda:
        "../../envs/emofuse.yaml"
    script:
        "../scripts/index_turns.py"


rule index_words:
    input:
        turns="results/<corpus>/turns.parquet",
        transcripts=[p for d in DIALOGS for p in existing(release.transcript_path(ROOT, d))],
    output:
        words="results/<corpus>/words.parquet",
        problems="results/<corpus>/index/words.problems.tsv",
    params:
        code=fingerprint("index_words"),
        root=str(ROOT),
        dialogs=DIALOGS,
        on_missing=config["corpus"]["on_missing"],
    log:
        "results/<corpus>/logs/index_words.log",
    resources:
        mem_mb=2000,
        runtime=10,
    conda:
        "../../envs/emofuse.yaml"
    script:
        "../scripts/index_words.py"


rule index_media:
    input:
        turns="results/<corpus>/turns.parquet",
        wavs=[p for d in DIALOGS for p in existing(release.dialog_wav_path(ROOT, d))],
        avis=[p for d in DIALOGS for p in existing(release.avi_path(ROOT, d))],
        sentences=[str(p) for d in DIALOGS for p in sentence_wavs(d)],
    output:
        media="results/<corpus>/index/media.parquet",
        problems="results/<corpus>/index/media.problems.tsv",
    params:
        code=fingerprint("index_media"),
        root=str(ROOT),
        dialogs=DIALOGS,
        on_missing=config["corpus"]["on_missing"],
    log:
        "results/<corpus>/logs/index_media.log",
    benchmark:
        "results/<corpus>/benchmarks/index_media/all.tsv"
    resources:
        mem_mb=2000,
        runtime=60,
    conda:
        "../../envs/emofuse.yaml"
    script:
        "../scripts/index_media.py"


rule list_problems:
    input:
        "results/<corpus>/index/turns.problems.tsv",
        "results/<corpus>/index/words.problems.tsv",
        "results/<corpus>/index/media.problems.tsv",
    output:
        "results/<corpus>/problems.tsv",
    params:
        code=fingerprint("list_problems"),
    log:
        "results/<corpus>/logs/list_problems.log",
    resources:
        mem_mb=500,
        runtime=5,
    conda:
        "../../envs/emofuse.yaml"
    script:
        "../scripts/list_problems.py"


rule check:
    input:
        turns="results/<corpus>/turns.parquet",
        words="results/<corpus>/words.parquet",
        media="results/<corpus>/index/media.parquet",
        problems="results/<corpus>/problems.tsv",
    params:
        code=fingerprint("check"),
        root=str(ROOT),
        clips=f"results/{CORPUS}/clips",
        classes=config["classes"],
    log:
        "results/<corpus>/logs/check.log",
    resources:
        mem_mb=2000,
        runtime=30,
    conda:
        "../../envs/emofuse.yaml"
    script:
        "../scripts/check.py"
