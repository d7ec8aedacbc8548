"""Make the paper's tables and figures. In: evaluation, splits, selection, figures. Out: paper/."""

PAPER_TABLES = [
    name
    for name in outputs.table_names(plan.modalities, plan.modalities if plan.selection else [])
    if name in outputs.PAPER_TABLES
]
PAPER_CHECKS = [*rules.check_encoders.output, *(rules.check_paper_encoders.output if plan.checked_for_paper else [])]


rule make_paper:
    input:
        splits=split_files(plan.splits_of[plan.primary]),
        evaluation=once_chosen(lambda w: evaluation(plan.primary)),
        selection=comparisons(plan.modalities if plan.selection else []),
        numbers=str(RESOURCES / "paper_numbers.tsv"),
        encoders=PAPER_CHECKS,
        figures=[f"results/{plan.corpus}/{plan.run}/figures/{name}" for name in FIGURES if name.startswith("figure")],
    output:
        tables(f"results/{plan.corpus}/{plan.run}/paper", PAPER_TABLES),
        [f"results/{plan.corpus}/{plan.run}/paper/{name}" for name in FIGURES if name.startswith("figure")],
        page="results/<corpus>/<run>/paper/index.html",
    log:
        "results/<corpus>/<run>/logs/make_paper.log",
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=shown_by("make_paper", [plan.primary]),
        corpus=plan.corpus,
        run=plan.run,
        notice=config["corpus"]["notice"],
        evaluation=EVALUATIONS[plan.primary],
        modalities=plan.modalities,
        facts=FACTS,
        pca_split=FIGURE_SPLIT,
        settings={
            "sessions": plan.sessions,
            "classes": plan.classes,
            "protocols": plan.protocols[:1],
            "subset": config["subset"],
            "clips.crop": config["clips"]["crop"],
            "selection": config["selection"] and ordered(config["selection"]),
            "validation.rule": config["validation"]["rule"],
            "validation.refit": plan.refit,
            "train_vectors": plan.train_vectors,
            "fusion": {m: config["fusion"][m] for m in plan.modalities},
            "classifiers": ordered(config["classifiers"]),
            "final_system": config["final_system"],
            "seeds": plan.seeds,
        },
    script:
        "../scripts/make_paper.py"


rule paper:
    """Target: the paper's tables and figures, by number, with its known numbers beside ours."""
    input:
        once_chosen(["results/<corpus>/<run>/paper/index.html"]),
        PAPER_CHECKS,  # here too, or they would wait for the choice of an encoder
        comparisons(plan.modalities if plan.selection else []),
        [models(modality) for modality in plan.modalities],
        named_models(),
