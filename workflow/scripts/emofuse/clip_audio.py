"""Cuts a dialog's sound into one wav a turn, or takes the turns' own wavs."""

from pathlib import Path

from emofuse import store
from emofuse.clip_files import COLUMNS
from emofuse.clips import TOLERANCE_S, begin, damage_of, exact, manifest_row, present, refuse, save
from emofuse.media import RATE, MediaError, read_mono, wav_bytes, wav_header


def cut_audio(dialog, labels_path, sentence_wav_paths, dialog_wav_path, out_dir, manifest_path, on_missing):
    """Write `<out_dir>/<turn>.wav`, 16 kHz mono 16-bit PCM, for every turn.

    It is the turn's own wav out of `sentence_wav_paths`: byte for byte where it has that format, else converted. A turn
    without one is cut from the dialog's wav (None: there is none), the mean of its channels.
    """
    turns = begin(dialog, labels_path, out_dir, manifest_path, on_missing)
    sentences = {Path(path).stem: Path(path) for path in sentence_wav_paths}
    rows, damages, fallback = [], [], []
    for turn in turns:
        try:
            data, samples, note = _sentence(turn, present(sentences.get(turn.turn_id)))
        except (OSError, MediaError) as error:
            damage = damage_of(sentences.get(turn.turn_id) or f"{turn.turn_id}.wav", error)
            if damage[0] != "missing":
                damages.append(damage)
            fallback.append((turn, damage))
            continue
        rows.append(save(turn, out_dir, "audio", data, samples, note))
    refuse(damages, on_missing)
    if fallback:
        rows += _cut_from_dialog(fallback, dialog_wav_path, out_dir, on_missing)
    store.write_tsv(manifest_path, sorted(rows, key=lambda row: row["turn"]), COLUMNS)


def _sentence(turn, path):
    """A turn's own wav as (bytes of the clip, samples, note)."""
    header = wav_header(path)
    if header.samples == 0:
        raise MediaError("unreadable", "holds no sound")
    notes = []
    if (header.format, header.channels, header.rate, header.bits, header.sized) == (1, 1, RATE, 16, True):
        data, samples = path.read_bytes(), header.samples
    else:
        mono = read_mono(path)
        data, samples = wav_bytes(mono), len(mono)
        notes.append(f"converted from {header.channels} channels, {header.rate} Hz, {header.bits} bit")
    if abs(samples / RATE - (turn.end_s - turn.start_s)) > TOLERANCE_S:
        notes.append(f"{samples / RATE:.2f} s of sound for a turn of {turn.end_s - turn.start_s:.2f} s")
    return data, samples, "; ".join(notes)


def _cut_from_dialog(fallback, path, out_dir, on_missing):
    """Cut turns, each given with the damage of its own wav, from the dialog's wav; return their rows."""
    try:
        wav_header(present(path))
        mono = read_mono(path)
    except (OSError, MediaError) as error:
        damage = damage_of(path or "the dialog's wav", error)
        refuse([damage, *(own for _, own in fallback)], on_missing)
        return [manifest_row(turn, own[0], f"{own[1]}; {damage[1]}") for turn, own in fallback]
    rows = []
    for turn, _ in fallback:
        first, end = (round(exact(seconds) * RATE) for seconds in (turn.start_s, turn.end_s))
        clip = mono[first:end]
        if len(clip) == 0:
            rows.append(manifest_row(turn, "past_end", f"the dialog's wav ends at {len(mono) / RATE:.2f} s"))
            continue
        note = "cut from the dialog's wav"
        if end - len(mono) > TOLERANCE_S * RATE:
            note += f", which ends {(end - len(mono)) / RATE:.2f} s before the turn"
        rows.append(save(turn, out_dir, "audio", wav_bytes(clip), len(clip), note))
    return rows
