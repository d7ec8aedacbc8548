"""Say what recognising the scene is worth, of runs with both protocols of it. In: predictions, evaluation. Out: scene.html."""

if outputs.compares_scenes(plan.protocols):

    rule compare_scenes:
        input:
            new_splits=split_files(plan.splits_of[outputs.NEW_SCENES]),
            new_predictions=once_chosen(predictions(plan.splits_of[outputs.NEW_SCENES])),
            known_splits=split_files(plan.splits_of[outputs.KNOWN_SCENES]),
            known_predictions=once_chosen(predictions(plan.splits_of[outputs.KNOWN_SCENES])),
        output:
            "results/<corpus>/<run>/evaluation/scenes.parquet",
        log:
            "results/<corpus>/<run>/logs/compare_scenes.log",
        benchmark:
            "results/<corpus>/<run>/benchmarks/compare_scenes/all.tsv"
        conda:
            "../../envs/emofuse.yaml"
        threads: config["classifier_threads"]
        resources:
            mem_mb=8000,
            runtime=30,
        params:
            code=fingerprint("compare_scenes"),
            final_system=config["final_system"],
            pairs=systems.context_pairs(plan.systems),
        script:
            "../scripts/compare_scenes.py"

    rule make_scene:
        input:
            splits=split_files(plan.splits),
            evaluations=once_chosen([path for protocol in plan.protocols for path in evaluation(protocol)]),
            scenes="results/<corpus>/<run>/evaluation/scenes.parquet",
        output:
            tables(f"results/{plan.corpus}/{plan.run}/tables", outputs.scene_table_names(plan.systems)),
            [f"results/<corpus>/<run>/figures/{outputs.SCENE_FIGURE}.{kind}" for kind in outputs.FIGURE_FORMATS],
            page="results/<corpus>/<run>/scene.html",
        log:
            "results/<corpus>/<run>/logs/make_scene.log",
        conda:
            "../../envs/emofuse.yaml"
        resources:
            mem_mb=1000,
            runtime=5,
        params:
            code=shown_by("make_scene", plan.protocols),
            corpus=plan.corpus,
            run=plan.run,
            notice=config["corpus"]["notice"],
            facts=FACTS,
            evaluations=EVALUATIONS,
        script:
            "../scripts/make_scene.py"
