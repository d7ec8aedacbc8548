"""Fetch the encoders that come from the Hugging Face Hub. In: nothing. Out: resources/encoders/<id>/<revision>/, safetensors.

The only part that needs network; it runs where Snakemake runs, for compute nodes often have none.
"""

from emofuse.configuration.encoders import hub_folder
from emofuse.encoders import hub


def hub_encoder(wildcards):
    """The encoder of the run whose folder it is."""
    folder = Path(f"resources/encoders/{wildcards.repo}/{wildcards.revision}")
    for entry in plan.hub_encoders:
        if Path(hub_folder(entry["model"], entry["revision"])) == folder:
            return entry
    raise WorkflowError(f"{folder}: the config names no encoder that is stored there")


localrules:
    download_encoder,
    download,


rule download_encoder:
    output:
        "resources/encoders/{repo}/{revision}/download.json",
    log:
        "resources/encoders/logs/{repo}/{revision}.log",
    wildcard_constraints:
        repo=r"[A-Za-z0-9][\w.-]*",
        revision=r"\w[\w.-]*",
    priority: 100
    conda:
        "../../envs/emofuse.yaml"
    resources:
        mem_mb=8000,
        runtime=120,
        encoder=lambda w: hub_encoder(w)["encoder"],
    params:
        # Not fingerprint(): another code gives the same weights, and would train everything on them anew.
        code=hub.FORMAT,
        model=lambda w: hub_encoder(w)["model"],
        modality=lambda w: hub_encoder(w)["modality"],
    script:
        "../scripts/download_encoder.py"


rule download:
    """Target: every encoder of the run that comes from the Hub."""
    input:
        sorted({f"{hub_folder(entry['model'], entry['revision'])}/download.json" for entry in plan.hub_encoders}),
