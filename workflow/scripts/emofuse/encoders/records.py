"""What training.json says of the machine and of what it took."""

import platform
import resource

import torch

from emofuse.runtime.version import VERSION


def cost(device, seconds, speed, parameters, versions):
    """device: cuda or cpu. seconds: in all. speed: turns a second. versions: {package: version}, beside emofuse's."""
    gpu = device == "cuda"
    return {
        "parameters": parameters,
        "device": torch.cuda.get_device_name() if gpu else platform.processor() or platform.machine(),
        "seconds": round(seconds, 2),
        "samples_per_second": speed,
        "peak_memory_mb": round(_peak_memory(device)),
        "versions": {"emofuse": VERSION, **versions},
    }


def _peak_memory(device):
    """Peak memory in MB: of the GPU where one is used, else of the process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
