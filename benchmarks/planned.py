"""How far off was a plan? What `snakemake plan` said of each kind of job, against what these took by Snakemake's benchmarks.

Copy results/<corpus>/<run>/plan.tsv before the run, and name the copy and the run's folder afterwards:
python benchmarks/planned.py plan.tsv results/demo/demo. Prints a Markdown table. Jobs that keep no time are left out.
"""

import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from emofuse.forecast.records import read_records


def main(arguments=None):
    """Print the table."""
    path, folder = (arguments or sys.argv[1:])[:2]
    folder = Path(folder)
    print("| stage | what | jobs | planned, each | took, each | planned / took |\n|---|---|---|---|---|---|")
    table = compare(pd.read_csv(path, sep="\t", keep_default_na=False), read_records(folder.parent, folder.name))
    for stage, rows in table.groupby("stage", sort=False):
        for row in rows.itertuples():
            print(_line(stage, row.what, row.jobs, row.planned / row.jobs, row.took / row.jobs))
        print(_line(stage, "**all**", rows["jobs"].sum(), rows["planned"].sum(), rows["took"].sum()))
    print(_line("**all**", "", table["jobs"].sum(), table["planned"].sum(), table["took"].sum()))


def compare(plan, records):
    """A row for each kind of job that was still to be done: stage, what, jobs, planned and took, seconds of all of them."""
    rows = []
    for row in plan[plan["stage"] != "disk"].itertuples():
        rule, *names = row.what.split()
        took = records.of(rule, "_".join(names))
        if took and row.left and row.seconds:
            jobs = min(int(row.left), len(took))
            rows.append((row.stage, row.what, jobs, jobs * float(row.seconds), jobs * sum(took) / len(took)))
    return pd.DataFrame(rows, columns=["stage", "what", "jobs", "planned", "took"])


def _line(stage, what, jobs, planned, took):
    return f"| {stage} | {what} | {jobs} | {planned:.1f} s | {took:.1f} s | {planned / took:.2f} |"


if __name__ == "__main__":
    main()
