"""Read and validate the config, and plan the run; what only Snakemake can do."""

import json
import os
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake.utils import validate

# Relative, or all that was made of them would be made again once the project's folder has moved.
RESOURCES = Path(os.path.relpath(Path(workflow.basedir) / "resources"))
SCRIPTS = Path(workflow.basedir) / "workflow/scripts"
sys.path.insert(0, str(SCRIPTS))

from emofuse import configuration, plan as planning
from emofuse.clips import files as clip_files
from emofuse.corpora.iemocap import labels, paths, tree
from emofuse.demo import plan as demo_plan
from emofuse.encoders import hub
from emofuse.report import outputs
from emofuse.runtime import fingerprint as fingerprints
from emofuse.runtime import job
from emofuse.runtime.disk import refuse_future, require_writable
from emofuse.runtime.errors import EmofuseError
from emofuse.splits import protocols

# With `--quiet all` Snakemake prints no error either, nor the log of a failed job: what a user can mend is told all the same, by
# us, and by the jobs (`job` looks for this variable, which they inherit).
SILENT = bool(workflow.output_settings and Quietness.ALL in (workflow.output_settings.quiet or ()))
if SILENT:
    os.environ[job.TELL] = "1"


def mistakes_as_messages(function, *arguments):
    """Call a function of the package; what the user can mend becomes Snakemake's plain error."""
    try:
        return function(*arguments)
    except EmofuseError as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename} cannot be used: {error.strerror}"
    if SILENT:
        print(f"error: {message}", file=sys.stderr)
    raise WorkflowError(message)


SCHEMA = Path(workflow.basedir) / "workflow/schemas/config.schema.yaml"
mistakes_as_messages(configuration.require_plain_folder, workflow.basedir, RESOURCES)
mistakes_as_messages(configuration.refuse_repeated_keys, workflow.configfiles)
configuration.drop_nulls(config)
mistakes_as_messages(configuration.check_config, config, SCHEMA)
validate(config, str(SCHEMA))
mistakes_as_messages(configuration.check_choices, config)

# `snakemake download` needs no release. Snakemake does not say its targets yet when the Snakefile is parsed.
DOWNLOAD = "download" in sys.argv[1:]
plan = mistakes_as_messages(planning.make_plan, config, workflow.is_main_process and not DOWNLOAD)
mistakes_as_messages(hub.check_hub_ids, plan.hub_encoders)
if workflow.is_main_process and not plan.generated and not DOWNLOAD:
    if config["corpus"]["on_missing"] == "error":
        mistakes_as_messages(tree.require_files, plan.root, plan.dialogs)
    mistakes_as_messages(refuse_future, tree.files(plan.root, plan.dialogs))


pathvars:
    corpus=plan.corpus,
    run=plan.run,
    video_clips=plan.clips_root("video"),


wildcard_constraints:
    dialog="Ses0[1-5][FM]_[a-z0-9_]+",
    modality="text|audio|video",
    encoder="[a-z0-9][a-z0-9_-]*",
    split=protocols.SPLIT,
    seed=r"\d+",
    protocol="|".join(protocols.PROTOCOLS),
    classifier="|".join(plan.classifiers),


def fingerprint(script):
    """Hash of the code that the results of workflow/scripts/<script>.py depend on."""
    return fingerprints.fingerprint(SCRIPTS / f"{script}.py")


def encoder_of(modality):
    """The encoder of the folds: the one that the config names, or has chosen. For input functions alone."""
    if modality not in plan.choices:
        return config["fusion"][modality]
    with checkpoints.choose_encoder.get(modality=modality).output[0].open() as file:
        return json.load(file)["encoder"]


def once_chosen(paths):
    """`paths`, a list or an input function, as an input that waits until the encoders are chosen, where any is.

    For every job below a choice: Snakemake 9.27 looks again at those alone that wait for a checkpoint themselves, and would
    run the others for a choice that came out the same.
    """

    def when_chosen(wildcards):
        for modality in plan.choices:
            encoder_of(modality)
        return paths(wildcards) if callable(paths) else [path.format(**wildcards) for path in paths]

    return when_chosen if plan.choices else paths


@cache
def check_rerun_triggers():
    """Warn, once, where a profile would make Snakemake rerun too much or too little.

    Called from an input function, for the triggers are not known yet when the Snakefile is parsed.
    """
    if not workflow.is_main_process:
        return
    triggers = {str(trigger) for trigger in workflow.rerun_triggers}
    wanted = {"mtime", "params", "input", "software-env"}
    if triggers != wanted:
        logger.warning(
            f"The rerun triggers are [{', '.join(sorted(triggers))}]; emofuse needs [{', '.join(sorted(wanted))}]:"
            " without params edited code and settings go unnoticed, and with code each touched script reruns all of its"
            " jobs, GPU hours included. Copy rerun-triggers from profiles/default/config.yaml into your profile."
        )


# Snakemake does not look inside a directory() output; a deleted clip would go unnoticed until a training fails on it.
for modality, dialog, gone in mistakes_as_messages(list, plan.missing_clips()) if workflow.is_main_process else ():
    logger.warning(f"{modality} clips of {dialog} are gone ({', '.join(gone[:3])}, {len(gone)} in all): cut again.")
    clip_files.manifest_path(plan.clips_root(modality), modality, dialog).unlink()


onstart:
    # Snakemake itself would end with a traceback at the first job.
    mistakes_as_messages(require_writable, f"results/{plan.corpus}/{plan.run}")
