import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local

from emofuse.encoders.settings import Computing, Machine, granted_workers
from emofuse.forecast.forecast import Run, make_plan, write_plan
from emofuse.forecast.telling import tell
from emofuse.runtime.gpus import lease_gpu
from emofuse.runtime.job import job

with job(snakemake.log[0]) as terminal:
    given, params, training = snakemake.input, snakemake.params, snakemake.config["training"]
    lease_gpu(training["device"], jobs=training["jobs_per_gpu"])
    keys = ("compile", "deterministic", "logging_steps", "precision", "threads")
    workers = granted_workers(training["loader_workers"], snakemake.threads, training["threads"])
    run = Run(
        config=snakemake.config,
        snakefile=params.snakefile,
        corpus=os.path.dirname(params.folder),
        run=os.path.basename(params.folder),
        encoders=params.encoders,
        stages=params.stages,
        chosen=params.chosen,
        protocols=params.protocols,
        cores=params.cores,
        gpus=params.gpus,
        computing=Computing(**{key: training[key] for key in keys}),
        machine=Machine(
            training["device"],
            workers,
            training["jobs_per_gpu"],
            bool(training["gradient_checkpointing"]),
            training["checkpoint_minutes"],
        ),
        classes=params.classes,
        early=sorted(snakemake.config["early_fusion"]),
        train_vectors=params.train_vectors,
    )
    rows, differences, facts = make_plan(
        run, given.turns, given.get("words") or None, [*given.splits, *given.selection]
    )
    write_plan(params.folder, rows, differences)
    text = tell(run, rows, differences, facts)
    print(text)
    print(f"\n{text}\n\nAll of it: {params.folder}/plan.tsv and plan_differences.tsv\n", file=terminal)
