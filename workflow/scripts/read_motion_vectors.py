from emofuse.encoders.motion import read_motion_vectors
from emofuse.encoders.settings import Data
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    read_motion_vectors(
        snakemake.input.turns,
        snakemake.params.dialogs,
        Data(None, snakemake.input.manifests, snakemake.params.clips),
        snakemake.params.crop,
        snakemake.wildcards.encoder,
        snakemake.threads,
        snakemake.output[0],
    )
