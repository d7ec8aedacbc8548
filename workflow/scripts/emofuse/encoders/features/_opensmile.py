"""openSMILE's functionals, by its package, which the user installs: its licence is for research, and not for products."""

from importlib.util import find_spec

from emofuse.media.wav import RATE
from emofuse.runtime.errors import EmofuseError


def functionals(name):
    """A function of a waveform, float32 (n,) at 16 kHz, that gives the functionals of one of openSMILE's sets, float32."""
    if find_spec("opensmile") is None:
        raise EmofuseError(
            "it is made by the package opensmile, which is not installed: pip install opensmile, into the environment that"
            " the jobs run in. Its licence is for research and not for products."
        )
    import opensmile

    smile = opensmile.Smile(feature_set=opensmile.FeatureSet[name], feature_level=opensmile.FeatureLevel.Functionals)
    return lambda samples: smile.process_signal(samples, RATE).to_numpy()[0]
