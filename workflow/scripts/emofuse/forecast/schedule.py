"""How long jobs take together: by list scheduling on some cores and GPUs."""

import heapq
from collections import Counter

# One after the other; Snakemake, which lets a job start as soon as its own inputs are there, needs a little less.
ORDER = (
    "demo",
    "corpus",
    "clips",
    "proof",
    "encoders",
    "embeddings",
    "motion",
    "selection",
    "fusion",
    "evaluation",
    "report",
)


def wall_seconds(jobs, cores, gpus):
    """{stage: (first second, last)} of (stage, seconds, threads, gpu); a stage begins when the one before it is over."""
    found, clock = {}, 0.0
    for stage in sorted({job[0] for job in jobs}, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)):
        end = makespan([job[1:] for job in jobs if job[0] == stage], cores, gpus)
        found[stage] = (clock, clock + end)
        clock += end
    return found


def makespan(jobs, cores, gpus):
    """Seconds until all of the (seconds, threads, gpu) are done, the longest first, each as soon as cores and GPUs are free."""
    free, running, clock, end = Counter(cores=cores, gpus=gpus), [], 0.0, 0.0
    waiting = sorted(((seconds, min(threads, cores), min(gpu, gpus)) for seconds, threads, gpu in jobs), reverse=True)
    while waiting:
        later = []
        for seconds, threads, gpu in waiting:
            if threads <= free["cores"] and gpu <= free["gpus"]:
                free.subtract(cores=threads, gpus=gpu)
                heapq.heappush(running, (clock + seconds, threads, gpu))
                end = max(end, clock + seconds)
            else:
                later.append((seconds, threads, gpu))
        waiting = later
        if waiting:
            clock, threads, gpu = heapq.heappop(running)
            free.update(cores=threads, gpus=gpu)
    return end
