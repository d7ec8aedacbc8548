"""Index and cut a corpus that a recipe lists. In: what the recipe finds under corpus.root. Out: as iemocap.smk.

No file of the corpus is an input, of which there may be thousands, and the table of turns would make everything again with
each of its lines: each job has a digest of its own turns and files among its params.
"""

# What a recipe reads, and so what it depends on.
RECIPE = {key: config["corpus"][key] for key in ("kind", "root", "assert_counts", "labels")}


def recipe(script):
    """The code of a job of this file, and of the recipe that it reads the corpus by."""
    return fingerprint(script, f"emofuse/corpora/recipes/{RECIPE['kind']}")


rule index_turns:
    output:
        turns="results/<corpus>/turns.parquet",
        problems="results/<corpus>/index/turns.problems.tsv",
    log:
        "results/<corpus>/logs/index_turns.log",
    priority: 10
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
        on_missing=config["corpus"]["on_missing"],
    params:
        code=recipe("index_listing_turns"),
        corpus=RECIPE,
        folds=config["corpus"]["folds"],
        digest=lambda w: plan.listing.digest("turns"),
    script:
        "../scripts/index_listing_turns.py"


rule index_words:
    output:
        words="results/<corpus>/words.parquet",
        problems="results/<corpus>/index/words.problems.tsv",
    log:
        "results/<corpus>/logs/index_words.log",
    priority: 10
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
        on_missing=config["corpus"]["on_missing"],
    params:
        code=recipe("index_listing_words"),
        corpus=RECIPE,
        digest=lambda w: plan.listing.digest("text"),
    script:
        "../scripts/index_listing_words.py"


rule index_votes:
    output:
        votes="results/<corpus>/votes.parquet",
        problems="results/<corpus>/index/votes.problems.tsv",
    log:
        "results/<corpus>/logs/index_votes.log",
    priority: 10
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=recipe("index_listing_votes"),
        corpus=RECIPE,
        digest=lambda w: plan.listing.digest("votes"),
    script:
        "../scripts/index_listing_votes.py"


rule index_media:
    output:
        media="results/<corpus>/index/media.parquet",
        problems="results/<corpus>/index/media.problems.tsv",
    log:
        "results/<corpus>/logs/index_media.log",
    benchmark:
        "results/<corpus>/benchmarks/index_media/all.tsv"
    priority: 10
    conda:
        "../../envs/emofuse.yaml"
    threads: 4  # files at a time
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=recipe("index_listing_media"),
        corpus=RECIPE,
        on_missing=config["corpus"]["on_missing"],
        digest=lambda w: [plan.listing.digest(kind) for kind in ("audio", "video")],
    script:
        "../scripts/index_listing_media.py"


rule cut_text:
    output:
        clips=directory("results/<corpus>/clips/text/{dialog}"),
        manifest="results/<corpus>/clips/text/{dialog}.manifest.tsv",
    log:
        "results/<corpus>/logs/cut_text/{dialog}.log",
    group:
        "clips"
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=500,
        runtime=10,
        on_missing=config["corpus"]["on_missing"],
    params:
        code=recipe("cut_listing_text"),
        corpus=RECIPE,
        digest=lambda w: plan.listing.digest("text", w.dialog),
    script:
        "../scripts/cut_listing_text.py"


rule cut_audio:
    output:
        clips=directory("results/<corpus>/clips/audio/{dialog}"),
        manifest="results/<corpus>/clips/audio/{dialog}.manifest.tsv",
    log:
        "results/<corpus>/logs/cut_audio/{dialog}.log",
    benchmark:
        "results/<corpus>/benchmarks/cut_audio/{dialog}.tsv"
    group:
        "clips"
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
        on_missing=config["corpus"]["on_missing"],
    params:
        code=recipe("cut_listing_audio"),
        corpus=RECIPE,
        digest=lambda w: plan.listing.digest("audio", w.dialog),
    script:
        "../scripts/cut_listing_audio.py"


rule cut_video:
    output:
        clips=directory("<video_clips>/video/{dialog}"),
        manifest="<video_clips>/video/{dialog}.manifest.tsv",
    log:
        "results/<corpus>/logs/cut_video/{dialog}.log",
    benchmark:
        "results/<corpus>/benchmarks/cut_video/{dialog}.tsv"
    group:
        "clips"
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=2000,
        runtime=240,
        on_missing=config["corpus"]["on_missing"],
    params:
        code=recipe("cut_listing_video"),
        corpus=RECIPE,
        digest=lambda w: plan.listing.digest("video", w.dialog),
        crop=config["clips"]["crop"],
    script:
        "../scripts/cut_listing_video.py"
