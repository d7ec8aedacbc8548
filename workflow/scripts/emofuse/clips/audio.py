"""Cuts a dialog's sound into one wav a turn, or takes the turns' own wavs."""

from pathlib import Path

from emofuse.clips.cutting import damage_of, manifest_row, present, refuse, save
from emofuse.clips.files import COLUMNS
from emofuse.clips.labelled import begin
from emofuse.media.reading import read_mono
from emofuse.media.verdicts import TOLERANCE_S, of_sound
from emofuse.media.wav import RATE, MediaError, wav_bytes, wav_header
from emofuse.runtime import store


def cut_audio(dialog, labels_path, sentence_wav_paths, dialog_wav_path, out_dir, manifest_path, on_missing):
    """Write `<out_dir>/<turn>.wav`, 16 kHz mono 16-bit PCM, for every turn.

    It is the turn's own wav out of `sentence_wav_paths`: byte for byte where it has that format and nothing beside its sound,
    else converted. A turn without one is cut from the dialog's wav (None: there is none), the mean of its channels.
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
    header, mono = wav_header(path), read_mono(path)
    data, notes = wav_bytes(mono), []
    if not header.plain or (header.channels, header.rate) != (1, RATE):
        notes.append(f"converted from {header.channels} channels, {header.rate} Hz, {header.bits} bit")
    elif path.read_bytes() != data:
        notes.append("its sound, under a header of the usual form")
    if abs(len(mono) / RATE - (turn.end_s - turn.start_s)) > TOLERANCE_S:
        notes.append(f"{len(mono) / RATE:.2f} s of sound for a turn of {turn.end_s - turn.start_s:.2f} s")
    return data, len(mono), "; ".join(notes)


def _cut_from_dialog(fallback, path, out_dir, on_missing):
    """Cut turns, each given with the damage of its own wav, from the dialog's wav; return their rows."""
    try:
        mono = read_mono(present(path))
    except (OSError, MediaError) as error:
        damage = damage_of(path or "the dialog's wav", error)
        refuse([damage, *(own for _, own in fallback)], on_missing)
        return [manifest_row(turn, own[0], f"{own[1]}; {damage[1]}") for turn, own in fallback]
    rows = []
    for turn, _ in fallback:
        found = of_sound(turn.start_s, turn.end_s, len(mono))
        if found.status != "ok":
            rows.append(manifest_row(turn, found.status, found.note))
            continue
        clip = mono[found.first : found.end]
        note = "; ".join(note for note in ("cut from the dialog's wav", found.note) if note)
        rows.append(save(turn, out_dir, "audio", wav_bytes(clip), len(clip), note))
    return rows
