"""Prints the plan of a run, with what does not fit this machine."""

import math
import os
from pathlib import Path

from emofuse.forecast import schedule, space
from emofuse.runtime.progress import duration

BUSY = 1.5  # processes a core that want to compute, from which on a measurement is called disturbed
SHOWN = ("fine_tune", "embed", "classify", "train_system")  # rules whose jobs are told one by one
ROOM = 0.9  # share of a device's memory that may be filled


def tell(run, rows, shown, facts):
    """The text that the terminal gets."""
    work = [row for row in rows if row["stage"] != "disk"]
    blocks = [_heading(run, facts), _stages(run, work, facts), _kinds(work), _disk(run, rows), _differences(shown)]
    notes = [*_assumed(run, facts, work), *_memory(run, facts), *_short_of_disk(run, rows)]
    if notes:
        blocks.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(blocks)


def _heading(run, facts):
    load = os.getloadavg()[0]
    text = f"Plan of {run.corpus}/{run.run} on this machine: {facts['kind']} ({facts['device']}), {run.cores} cores"
    text += f", {run.gpus} GPU jobs at a time" if facts["kind"] == "cuda" else ""
    disturbed = "It is busy (load {:.1f} on {} cores): what was measured now is what a run takes beside that"
    if load > BUSY * (os.cpu_count() or 1):
        text += ".\n" + disturbed.format(load, os.cpu_count())
    return text + "."


def _stages(run, work, facts):
    """Jobs and hours by stage; wall hours by list scheduling, stage after stage."""
    costs = facts["costs"]
    planned = {True: facts["left"], False: facts["jobs"]}
    wall = {}
    for left, jobs in planned.items():
        timed = [(facts["stage_of"](job), costs.of(job).seconds, job.threads, job.gpu) for job in jobs]
        timed = [entry for entry in timed if not math.isnan(entry[1])]
        # On a machine without a GPU too: Snakemake grants what a job asks for, whatever it then computes on.
        wall[left] = schedule.wall_seconds(timed, run.cores, run.gpus)
    lines = [("stage", "jobs", "left", "job time", "left", f"wall, {run.cores} cores", "left")]
    order = {name: number for number, name in enumerate(schedule.ORDER)}
    stages = sorted({row["stage"] for row in work}, key=lambda name: order.get(name, len(order)))
    for stage in stages:
        of_stage = [row for row in work if row["stage"] == stage]
        spans = [wall[left].get(stage, (0, 0)) for left in (False, True)]
        lines.append(_line(stage, of_stage, [end - begin for begin, end in spans]))
    ends = [max((end for _, end in wall[left].values()), default=0) for left in (False, True)]
    return columns([*lines, _line("all", work, ends)])


def _line(name, rows, walls):
    jobs, left = (sum(row[key] for row in rows) for key in ("jobs", "left"))
    hours = [_time(sum(row[key] * 3600 for row in rows if not math.isnan(row[key]))) for key in ("hours", "hours_left")]
    return (name, str(jobs), str(left), *hours, *map(_time, walls))


def _kinds(work):
    """What each training and classifier takes, the longest first."""
    kinds = [row for row in work if row["what"].startswith(SHOWN)]
    kinds.sort(key=lambda row: -(row["hours"] if not math.isnan(row["hours"]) else math.inf))
    lines = [("of these", "jobs", "left", "each", "memory", "by")]
    for row in kinds:
        sure = f" ± {100 * row['error']:.0f} %" if row["error"] not in ("", 0) else ""
        memory = f"{row['memory_mb'] / 1024:.1f} GB" if row["memory_mb"] else ""
        each = "unknown" if math.isnan(row["seconds"]) else _time(row["seconds"]) + sure
        lines.append((row["what"], str(row["jobs"]), str(row["left"]), each, memory, row["source"]))
    return columns(lines)


def _disk(run, rows):
    lines = [("on disk", "in all", "there")]
    disk = [row for row in rows if row["stage"] == "disk"]
    for row in disk:
        lines.append((row["what"], _size(row["bytes"]), _size(row["bytes_there"])))
    lines.append(("all", _size(sum(row["bytes"] or 0 for row in disk)), _size(sum(row["bytes_there"] for row in disk))))
    lines.append((f"free in {run.corpus}", _size(space.free_bytes(run.corpus)), ""))
    return columns(lines)


def _differences(shown):
    """The smallest differences between two systems that the corpus can show."""
    lines = [("two systems both right or both wrong on", "WA", "UA")]
    for protocol in dict.fromkeys(row["protocol"] for row in shown):
        of_protocol = [row for row in shown if row["protocol"] == protocol]
        for row in of_protocol:
            what = f"{row['agreement']:.0%} of {row['turns']} turns of {row['dialogs']} dialogs ({protocol})"
            lines.append((what, *(_points(row[name]) for name in ("wa", "ua"))))
    head = "Smallest difference that is found four times in five (p < 0.05, signs of whole dialogs flipped):"
    return f"{head}\n{columns(lines)}"


def _assumed(run, facts, work):
    """What was taken for granted."""
    for modality, (names, path) in run.chosen.items():
        if not Path(path).exists():
            yield (
                f"The encoder of {modality} is still to be chosen; counted as if it were {facts['taken'][modality]}, of"
                f" {', '.join(names)} the one that takes longest."
            )
    for (modality, name), found in facts["found"].items():
        if found.get("unknown"):
            yield f"encoders.{modality}.{name}: unknown, and in no sum: {found['unknown']}."
        elif found.get("random"):
            yield f"encoders.{modality}.{name}: not downloaded; one of the same size with random weights was measured."
    if unknown := [row["what"] for row in work if math.isnan(row["seconds"])]:
        yield f"Unknown, and in no sum: {', '.join(unknown)}."
    yield "Trainings are counted with all epochs of the config; with patience, and in refits, they take less."
    if any("assumed" in row["source"] for row in work):
        yield "Assumed: jobs that were neither recorded nor measured take what they took elsewhere; they are small."


def _memory(run, facts):
    """Warnings of trainings that do not fit."""
    sharing = _at_once(run, facts["jobs"])
    if facts["kind"] == "cuda":
        import torch

        sharing = min(sharing, run.machine.jobs_per_gpu)
        have, where = torch.cuda.get_device_properties(0).total_memory / 2**20 / sharing, "the GPU"
    else:
        have, where = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20 / sharing, "this machine"
    for (modality, name), found in facts["found"].items():
        need = found.get("peak_memory_mb") or 0
        if need > ROOM * have:
            share = f", shared by {sharing} jobs," if sharing > 1 else ""
            yield (
                f"WARNING: a training of {name} takes {need / 1024:.1f} GB, and {where}{share} has {have / 1024:.1f} GB. Set"
                f" training.gradient_checkpointing to true, or lower encoders.{modality}.{name}.batch_size, with"
                " gradient_accumulation raised by the same factor."
            )


def _at_once(run, jobs):
    """How many trainings Snakemake starts at a time, by the threads and GPUs that they ask for."""
    threads, gpu = max(((job.threads, job.gpu) for job in jobs if job.rule == "fine_tune"), default=(1, 0))
    by_cores = run.cores // threads
    return max(1, min(by_cores, run.gpus // gpu) if gpu else by_cores)


def _short_of_disk(run, rows):
    disk = [row for row in rows if row["stage"] == "disk"]
    more = sum(max(0, (row["bytes"] or 0) - row["bytes_there"]) for row in disk)
    free = space.free_bytes(run.corpus)
    if more > free:
        yield f"WARNING: {_size(more)} are to be written, and {_size(free)} are free in {run.corpus}. Make space first."


def columns(lines):
    """Tuples of text under each other, the first to the left and the others to the right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
        ).rstrip()
        for line in lines
    )


def _time(seconds):
    return duration(seconds) if seconds else "–"


def _points(value):
    return "none" if math.isnan(value) else f"{100 * value:.1f} points"


def _size(number):
    if number is None:
        return "unknown"
    return f"{number / 2**30:.1f} GB" if number >= 2**30 else f"{number / 2**20:.1f} MB"
