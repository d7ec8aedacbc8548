from emofuse.encoders.motion import read_motion_capture
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    read_motion_capture(
        snakemake.params.root,
        snakemake.input.turns,
        snakemake.params.dialogs,
        snakemake.wildcards.encoder,
        snakemake.resources.on_missing,
        snakemake.output.sequences,
        snakemake.output.problems,
    )
