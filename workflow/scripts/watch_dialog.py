from emofuse.clips.contact import watch_dialog
from emofuse.runtime.job import job

with job(snakemake.log[0]):
    found, params = snakemake.input, snakemake.params
    watch_dialog(
        snakemake.wildcards.dialog,
        found.labels,
        next(iter(found.avi), None),
        params.clips,
        found.sound,
        snakemake.output[0],
        snakemake.resources.on_missing,
    )
