from emofuse.evaluation.scenes import compare_scenes
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    found, params = snakemake.input, snakemake.params
    compare_scenes(
        new=(found.new_predictions, found.new_splits),
        known=(found.known_predictions, found.known_splits),
        final_system=params.final_system,
        output=snakemake.output[0],
        pairs=[tuple(pair) for pair in params.pairs],
    )
