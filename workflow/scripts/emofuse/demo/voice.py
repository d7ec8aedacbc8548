"""Makes up the voices of a dialog."""

import wave

import numpy as np

from emofuse.demo.chance import generator
from emofuse.demo.plan import session_of
from emofuse.demo.turns import SAMPLE_RATE

# Pitch level, pitch range, syllables a second, spectral slope (power of 1 / harmonic), breath, roughness, formants.
_MANNER = {
    "ang": (1.25, 0.20, 6.5, 0.4, 0.03, 0.6, 1.00),
    "hap": (1.45, 0.45, 5.0, 1.0, 0.03, 0.0, 1.12),
    "neu": (1.00, 0.08, 4.0, 1.4, 0.03, 0.0, 1.00),
    "sad": (0.85, 0.04, 2.3, 2.0, 0.25, 0.0, 0.95),
}
_HARMONICS = np.arange(1, 25)
_VOWELS = np.array([(730, 1090), (270, 2290), (530, 1840), (570, 840), (300, 870), (660, 1720)])  # hertz: F1, F2


def voice(turn, seed):
    """Speech-like sound of one turn, float64 [samples], about -0.5..0.5: harmonics, formants, syllables, breath."""
    own = generator(seed, session_of(turn.turn_id), turn.gender, "voice")
    base = own.uniform(95, 135) if turn.gender == "M" else own.uniform(175, 230)
    pace, slope_of_speaker, tract = own.uniform(0.9, 1.1), own.uniform(-0.15, 0.15), own.uniform(0.92, 1.08)
    tract *= 1.0 if turn.gender == "M" else 1.15

    rng = generator(seed, turn.turn_id, "voice")
    loudness = rng.uniform(0.03, 0.1)
    level, span, rate, slope, breath, rough, smile = _MANNER[turn.voice_class]
    time = np.arange(turn.samples) / SAMPLE_RATE
    rate *= pace * rng.uniform(0.9, 1.1)
    beat = time * rate + rng.random()
    melody = np.sin(2 * np.pi * (time * rate / 3 + rng.random())) + 0.3 * np.sin(
        2 * np.pi * (time * 1.3 + rng.random())
    )
    pitch = base * level * rng.uniform(0.95, 1.05) * (1 + span * melody)
    pitch *= 1 + 0.01 * np.interp(time, np.arange(0, 3, 0.02), rng.standard_normal(150))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE

    # A vowel a syllable: each harmonic is as strong as the formants at its frequency make it.
    formants = _VOWELS[rng.integers(0, len(_VOWELS), int(beat[-1]) + 1)][beat.astype(int)] * tract * smile
    sound = np.zeros(len(time))
    for k in _HARMONICS:
        frequency = k * pitch
        resonance = 0.15 + sum(1 / (1 + ((frequency - formant) / 120) ** 2) for formant in formants.T)
        audible = frequency < 0.45 * SAMPLE_RATE
        sound += audible * resonance * k ** -(slope + slope_of_speaker) * np.sin(k * phase)
    sound *= 1 - rough * 0.5 * (1 + np.sin(2 * np.pi * 55 * time))
    sound /= np.sqrt(np.mean(sound**2))
    sound = (sound + breath * 3 * rng.standard_normal(len(time))) * np.sin(np.pi * (beat % 1)) ** 1.5
    hush = 0.02 * rng.standard_normal(len(time))
    return loudness * (sound / np.sqrt(np.mean(sound**2)) + hush)


def track_of(turns, voices, gender, seconds, seed):
    """One speaker's whole channel, float64 [samples]."""
    track = 0.0005 * generator(seed, turns[0].turn_id, gender, "hush").standard_normal(int(seconds * SAMPLE_RATE))
    for turn in turns:
        start = round(turn.start * SAMPLE_RATE)
        if turn.gender == gender and start < len(track):
            track[start : start + turn.samples] += voices[turn.turn_id][: len(track) - start]
    return track


def sixteen_bit(samples):
    """float [...] -> int16, clipped."""
    return np.clip(samples * 32_767, -32_768, 32_767).astype(np.int16)


def write_wav(path, samples):
    """Write 16 kHz PCM; samples: int16 [n] or [n, channels]."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.astype("<i2").tobytes())
