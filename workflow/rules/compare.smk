"""Compare finished runs of a corpus. In: their evaluations, splits and predictions. Out: results/<corpus>/compare/<a+b>/."""

from emofuse.evaluation import runs as finished
from emofuse.report.comparison import names as shown


# The runs that are compared are found by their files. None is made again: the config may be of another run.
def compared_files(wildcards):
    """What a comparison depends on."""
    with mistakes_as_messages():
        return finished.files(finished.find_runs("results", plan.corpus, config["runs"]))


def compared_protocols():
    """Those of which there will be tables; what is wrong with the runs is told once they are asked for."""
    try:
        return finished.shared_protocols(finished.find_runs("results", plan.corpus, config["runs"]))
    except (EmofuseError, OSError):
        return []


COMPARISON = f"results/{plan.corpus}/{finished.COMPARED}/{finished.comparison_name(config['runs'])}"
COMPARED_PROTOCOLS = compared_protocols()


rule compare:
    """Target: finished runs of this corpus on one page."""
    input:
        compared_files,
    output:
        tables(COMPARISON, [shown.SETTINGS_TABLE]),
        [path for protocol in COMPARED_PROTOCOLS for path in tables(f"{COMPARISON}/{protocol}", shown.TABLES)],
        expand(
            f"{COMPARISON}/{{protocol}}/{shown.FIGURE}.{{kind}}",
            protocol=COMPARED_PROTOCOLS,
            kind=outputs.FIGURE_FORMATS,
        ),
        expand(f"{COMPARISON}/{{protocol}}/turns.parquet", protocol=COMPARED_PROTOCOLS),
        page=f"{COMPARISON}/compare.html",
    log:
        f"results/{plan.corpus}/logs/compare/{finished.comparison_name(config['runs'])}.log",
    conda:
        "../../envs/emofuse.yaml"
    threads: config["classifier_threads"]
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        code=fingerprint("compare"),
        results="results",
        corpus=plan.corpus,
        runs=config["runs"],
        notice=config["corpus"]["notice"],
    script:
        "../scripts/compare.py"
