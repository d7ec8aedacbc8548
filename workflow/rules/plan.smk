"""Say before a run what it will cost here, and what it can show. In: turns, splits, the clips of three dialogs. Out: plan.tsv."""

from emofuse.clips import files

# Their clips are cut to be measured, and are then there.
MEASURED = sorted(
    {plan.labelled_dialogs[len(plan.labelled_dialogs) * k // 4] for k in (1, 2, 3) if plan.labelled_dialogs}
)


def measured(modality, root):
    """The manifests of the dialogs that are measured."""
    return [str(files.manifest_path(root, modality, dialog)) for dialog in MEASURED]


def forecast_encoders():
    """What is measured of each encoder of the run."""
    return [
        {
            "modality": modality,
            "encoder": name,
            "settings": plan.encoders.settings(modality, name),
            "folder": plan.encoders.folder(modality, name),
            "frozen": plan.encoders.is_frozen(modality, name),
            "clips": plan.read_root(modality),
            "roots": plan.clip_roots[modality],
            "manifests": measured(modality, plan.read_root(modality)),
        }
        for modality, name in plan.checked
        if modality in plan.modalities
    ]


def there(wildcards):
    """The files of encoders that are there, or that the workflow makes itself: a plan downloads nothing."""
    paths = [path for encoder in plan.checked for path in plan.encoders.files(*encoder)]
    return [path for path in paths if os.path.exists(path) or plan.generated]


# Without an output, so that it is always asked anew.
rule plan:
    """Target: what the run will cost here, and what it can show."""
    input:
        turns="results/<corpus>/turns.parquet",
        words="results/<corpus>/words.parquet" if "text" in plan.modalities else [],
        splits=split_files([other for split in plan.splits for other in plan.splits_behind(split)]),
        selection=split_files([plan.selection] if plan.choices else []),
        manifests=[path for m in plan.modalities for root in plan.clip_roots[m] for path in measured(m, root)],
        encoders=there,
    log:
        "results/<corpus>/<run>/logs/plan.log",
    conda:
        "../../envs/emofuse.yaml"
    threads: reading_threads()
    resources:
        mem_mb=16000,
        runtime=60,
        gpu=0 if config["training"]["device"] == "cpu" else 1,
    params:
        folder=f"results/{plan.corpus}/{plan.run}",
        snakefile=str(PROJECT / "Snakefile"),
        encoders=lambda w: forecast_encoders(),
        stages=lambda w: {each.name: stage_of(each.name) for each in workflow.rules if each.name != "all"},
        chosen={
            m: [plan.candidates[m], f"results/{plan.corpus}/{plan.run}/selection/{m}.chosen.json"]
            for m in plan.choices
        },
        protocols=plan.splits_of,
        cores=lambda w: workflow.cores or 1,
        gpus=lambda w: next((limit.value for name, limit in workflow.global_resources.items() if name == "gpu"), 1),
        classes=len(plan.classes),
        train_vectors=plan.train_vectors,
    script:
        "../scripts/plan_run.py"
