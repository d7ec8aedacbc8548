"""How often Snakemake looks for jobs to start: its main process shares the cores with them."""

from emofuse.demo.plan import DIALOGS

CUTS = [f"results/demo/clips/text/{dialog}.manifest.tsv" for dialog in DIALOGS[:6]]


def rounds(project, *options):
    """How often it looked, in a run of twelve jobs of about a second."""
    done = project.snakemake("--verbose", *options, "--", *CUTS, configs=["config/demo.yaml"])
    assert done.returncode == 0, done.stdout
    return done.stdout.count("Ready jobs: ")


def test_it_looks_when_a_job_ends_and_not_ever_more_often(project):
    assert rounds(project) <= 14


def test_a_limit_that_a_user_sets_stays(project):
    assert rounds(project, "--max-jobs-per-timespan", "50/1s") > 14
