import gc

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none

from emofuse.encoders.probe import fit_probe
from emofuse.encoders.settings import Encoder
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    given, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    fit_probe(
        given.vectors,
        given.split,
        Encoder(wildcards.modality, wildcards.encoder, params.settings),
        params.strengths,
        seed=int(wildcards.seed),
        threads=params.threads,
        output=dict(snakemake.output.items()),
        like=given.like or None,
    )
