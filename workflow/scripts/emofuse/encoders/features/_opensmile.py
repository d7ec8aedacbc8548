"""openSMILE's functionals, by its package, which the user installs: its licence is for research, and not for products."""

from importlib.util import find_spec

import numpy as np

from emofuse.encoders.inputs import SHORTEST
from emofuse.media.wav import RATE
from emofuse.runtime.errors import EmofuseError


def functionals(name):
    """A function of a waveform, float32 (n,) at 16 kHz, that gives the functionals of one of openSMILE's sets, float32.

    Sound of less than a quarter of a second is filled up with silence.
    """
    if find_spec("opensmile") is None:
        raise EmofuseError(
            "it is made by the package opensmile, which is not installed: pip install opensmile, into the environment that"
            " the jobs run in. Its licence is for research and not for products."
        )
    import opensmile

    smile = opensmile.Smile(feature_set=opensmile.FeatureSet[name], feature_level=opensmile.FeatureLevel.Functionals)

    def vector_of(samples):
        filled = np.pad(samples, (0, max(0, SHORTEST - len(samples))))  # of what is too short it gives no numbers
        return smile.process_signal(filled, RATE).to_numpy()[0]

    return vector_of
