"""Where the project lies, and the config that each run begins with; for a workflow that includes this one as a module, too."""

import os
from copy import deepcopy
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

# Of this file, not of the workflow: where this one is a module, that is the other's.
PROJECT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
if not PROJECT.is_dir():
    raise WorkflowError(
        f"emofuse is a Python package besides its rules, and cannot be read from {PROJECT}; clone it, or let snakedeploy do"
        " so, and name workflow/Snakefile of that folder in the module."
    )
paths = workflow.modifier.path_modifier
if paths.prefix or paths.modifies_prefixes:
    raise WorkflowError(
        "emofuse cannot be a module with `prefix` or `replace_prefix`, for its jobs are told folders besides files;"
        " results of different runs are kept apart by corpus.name and run of its config."
    )

# The project's own is always the base, wherever Snakemake works (--directory); a file of that name there is layered over it.
BASE_CONFIG = str(PROJECT / "config/config.yaml")
if workflow.modifier.skip_configfile:
    # A module, with a config that the other workflow gives: layered over the base as a file would be.
    given, config = config, load_configfile(BASE_CONFIG)
    update_config(config, deepcopy(given))


configfile: BASE_CONFIG


if os.path.exists("config/config.yaml") and not os.path.samefile("config/config.yaml", BASE_CONFIG):

    configfile: "config/config.yaml"
