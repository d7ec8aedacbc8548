import gc
import os

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none
os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.encoders.proof import check_encoders
from emofuse.fusion.systems import require_one_width
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    proven = check_encoders(snakemake.params.encoders, snakemake.threads, snakemake.output[0])
    # Here too, or it would first be met when all is trained.
    named, width_of = snakemake.params.fused, {found["encoder"]: found["width"] for found in proven}
    widths = {m: width_of[f"{m}.{name}"] for m, name in named["encoders"].items() if f"{m}.{name}" in width_of}
    for how in named["combinations"]:
        require_one_width(widths, how)
