"""Read and check the config, and plan the run; what only Snakemake can do."""

import os
import shlex
import sys
from contextlib import contextmanager
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.enums import Quietness

# Relative, or all made of them would be made again once the project's folder has moved.
RESOURCES = Path(os.path.relpath(PROJECT / "resources"))
SCRIPTS = PROJECT / "workflow/scripts"
sys.path.insert(0, str(SCRIPTS))

from emofuse import plan as planning
from emofuse.configuration.choices import check
from emofuse.configuration.encoders import ordered
from emofuse.configuration.paths import require_plain_folder
from emofuse.configuration.places import placed
from emofuse.runtime import fingerprint as fingerprints, job, progress, status
from emofuse.runtime.disk import require_writable
from emofuse.runtime.errors import EmofuseError
from emofuse.splits import folds

# With `--quiet all` Snakemake prints no error either, nor the log of a failed job: what a user can mend is told all the same, by
# us, and by the jobs (`job` looks for this variable, which they inherit).
SILENT = bool(workflow.output_settings and Quietness.ALL in (workflow.output_settings.quiet or ()))
if SILENT:
    os.environ[job.TELL] = "1"


# From the base up. In Snakemake's list those of the command line come first, though they are layered over the others.
LAYERS = [*workflow.configfiles[len(workflow.overwrite_configfiles) :], *workflow.overwrite_configfiles]


@contextmanager
def mistakes_as_messages():
    """What the user can mend ends Snakemake with its message, and with the place in the config that it is about."""
    try:
        yield
        return
    except (EmofuseError, OSError) as error:
        message = f"{error.filename} cannot be used: {error.strerror}" if isinstance(error, OSError) else str(error)
    message = placed(message, LAYERS, workflow.config_settings.config)
    if SILENT:
        print(f"error: {message}", file=sys.stderr)
    logger.addFilter(progress.Refusal(logger, message))
    raise WorkflowError(message)


# These need no release, but one that the config names must be there: what is asked for beside them may read it. Snakemake does
# not say its targets yet when the Snakefile is parsed.
here = workflow.is_main_process and not {"download", "compare"} & set(sys.argv[1:])
with mistakes_as_messages():
    require_plain_folder(PROJECT, RESOURCES)
    check(config, PROJECT / "workflow/schemas/config.schema.yaml", LAYERS)
    plan = planning.make_plan(config, needs_release=here)
    if here:
        plan.require_release()


pathvars:
    corpus=plan.corpus,
    run=plan.run,
    video_clips=plan.clips_root("video"),
    small_clips=plan.read_root("video"),


wildcard_constraints:
    dialog="Ses0[1-5][FM]_[a-z0-9_]+|part-[0-9a-f]",  # of another corpus than IEMOCAP a sixteenth of its turns
    modality="text|audio|video",
    encoder="[a-z0-9][a-z0-9_-]*",
    split=folds.SPLIT,
    seed=r"\d+",
    protocol="|".join(folds.PROTOCOLS),
    classifier="|".join(plan.classifiers),
    system="|".join(plan.systems) or "(?!)",


def fingerprint(*code):
    """Hash of the code that some results depend on: workflow/scripts/<code>.py and what it imports."""
    return [fingerprints.fingerprint(SCRIPTS / f"{path}.py") for path in code]


def stage_of(rule):
    """The stage of a rule: its file's name, but those that cut the clips of one kind of corpus lie with its index."""
    file = Path(workflow.get_rule(rule).snakefile).stem
    if file in ("iemocap", "listing"):
        return "clips" if rule.startswith("cut_") else "corpus"
    return file if file != "Snakefile" else None


def aim():
    """Where that lies which this run was to make: the report, another page, or the folder of what was asked for."""
    paths = [os.path.relpath(path) for job in workflow.dag.targetjobs for path in (job.output or job.input)]
    page = f"results/{plan.corpus}/{plan.run}/report.html"
    pages = [page] if page in paths else [path for path in paths if path.endswith(".html")]
    return pages[0] if len(pages) == 1 else os.path.commonpath(paths or [page]) or os.path.dirname(page)


HEADING = f"emofuse, corpus {plan.corpus}, run {plan.run}"
if workflow.is_main_process and workflow.modifier.is_main_snakefile():
    progress.show(
        logger,
        workflow.output_settings,
        progress.Told(
            heading=HEADING,
            again=shlex.join(["snakemake", *sys.argv[1:]]),
            stage_of=stage_of,
            results=aim,
        ),
    )


onstart:
    # Snakemake itself would end with a traceback at the first job.
    with mistakes_as_messages():
        require_writable(f"results/{plan.corpus}/{plan.run}")
    # To keep to its default limit, 100 jobs a second, Snakemake 9.27 starts a timer at the end of each job, and another one
    # whenever one has gone off: after a thousand jobs it looks a thousand times a second for what to start. A limit that a
    # user sets stays.
    limiter = getattr(workflow.scheduler, "job_rate_limiter", None)
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
