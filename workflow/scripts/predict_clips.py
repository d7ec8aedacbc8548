import gc
import os
from pathlib import Path

gc.disable()  # until the job begins: a sixth of the time of importing is looking for garbage where there is none
os.environ["HF_HUB_OFFLINE"] = "1"  # before Transformers is imported: encoders are local, compute nodes have no network

from emofuse.prediction.predict import How, predict
from emofuse.runtime.gpus import lease_gpu
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    params, resources = snakemake.params, snakemake.resources
    lease_gpu(resources.device, jobs=resources.jobs_per_gpu)
    predict(
        params.folder,
        [params.clips],
        Path(snakemake.output.page).parent,
        How(params.window, params.asr, resources.device, params.threads),
    )
