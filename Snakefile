"""emofuse: from the raw IEMOCAP release to per-turn clips, fine-tuned encoders, their fusion and an honest evaluation.

snakemake --cores 8 --config 'corpus={root: /data/IEMOCAP_full_release}'     the real run
snakemake --cores 2 --configfile config/demo.yaml                            the demo, on input that it makes itself
snakemake --cores 2 check                                                    look at the release, train nothing
snakemake --cores 2 plan                                                     hours, memory, disk, and what it can show
snakemake --cores 2 contact_sheet                                            see whether the crops show who speaks
snakemake --cores 2 download                                                 fetch the encoders, on a machine with network
snakemake --cores 8 session3                                                 one fold alone, down to its tables
snakemake status                                                             what runs now, and how far it is
snakemake --cores 8 paper                                                    the paper's tables and figures, by number
snakemake --cores 8 export                                                   the final system as one folder; docs/predict.md
snakemake --cores 2 compare --config 'runs=[a, b]'                           finished runs on one page; docs/compare.md
snakemake --cores 8 robustness                                               the test part under noise; docs/robustness.md
"""

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/base.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/demo.smk"


if plan.listing:

    include: "workflow/rules/listing.smk"

else:

    include: "workflow/rules/iemocap.smk"


include: "workflow/rules/corpus.smk"
include: "workflow/rules/clips.smk"
include: "workflow/rules/contact.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/encoders.smk"
include: "workflow/rules/proof.smk"
include: "workflow/rules/motion.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/fusion.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/scene.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/robustness.smk"


rule all:
    default_target: True
    input:
        "results/<corpus>/<run>/report.html",
        "results/<corpus>/<run>/errors.html",
        # All that was made on the way, or Snakemake would not miss a deleted clip or model as long as there is a report.
        plan.all_manifests,
        [models(modality) for modality in plan.modalities],
        named_models(),
        predictions(plan.splits),
        "results/<corpus>/<run>/made_with.yaml",
        ["results/<corpus>/<run>/scene.html"] if outputs.compares_scenes(plan.protocols) else [],
        expand(rules.make_tables.output, protocol=plan.protocols),
        tables(f"results/{plan.corpus}/{plan.run}/tables", outputs.run_table_names(plan.protocols, plan.systems)),


# Snakemake would ask for the lock, which the run that this asks about holds.
if here and workflow.modifier.is_main_snakefile() and "status" in sys.argv[1:]:
    print(status.describe(".snakemake", HEADING, stage_of))
    sys.exit()
