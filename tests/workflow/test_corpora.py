"""Corpora that are not IEMOCAP run to their end: a MELD of a few utterances, its tables and folders as they were released."""

from fractions import Fraction
from itertools import cycle

import av
import numpy as np

from emofuse.corpora.units import unit_of
from emofuse.runtime.store import read_parquet, read_tsv

HEAD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
WORDS = {"joy": "that is great, I’m so glad", "sadness": "oh no, I lost it"}
FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
RUN = {
    "corpus": {"kind": "meld", "name": "meld", "root": "MELD.Raw", "assert_counts": False, "notice": ""},
    "classes": dict.fromkeys(["neutral", "surprise", "anger", "disgust", "fear"]),
    "fusion": {"text": "bert", "audio": "wav2vec2", "video": "videomae"},
    "selection": None,
    "encoders": {
        "text": {"bert": {"epochs": 2}},
        "audio": {"wav2vec2": {"epochs": 1}},
        "video": {"videomae": {"epochs": 1, "stride": 1}},
    },
    "classifiers": {"svm": {"C": [1.0]}, "xgboost": None, "mlp": None},
}


def write_clip(path, emotion, rng):
    """A third of a second, bright and high for joy, dark and low for sadness, at 25 frames a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    happy = emotion == "joy"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = container.add_stream("aac", rate=48_000, layout="stereo")
        for number in range(8):
            grey = np.clip(rng.normal(170 if happy else 80, 20, (64, 64, 3)), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
        tone = np.sin(2 * np.pi * (600 if happy else 150) * np.arange(19_200) / 48_000) + rng.normal(
            0, 0.1, (2, 19_200)
        )
        frame = av.AudioFrame.from_ndarray((0.2 * tone).astype(np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        container.mux([*audio.encode(frame), *audio.encode(None), *video.encode(None)])


def write_meld(root):
    """A tree of a few utterances in two units, for jobs cost more than what they cut; of two files is told below."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("dev", 8), ("test", 8)):
        named = {"dev": "val"}.get(part, part)
        wanted = [d for d in range(500) if unit_of(f"{named}_dia{d}_utt00") in ("part-0", "part-1")][:count]
        lines = [HEAD]
        for number, (dialog, emotion) in enumerate(zip(wanted, cycle(WORDS), strict=False)):
            words = f"{WORDS[emotion]}, {number}"
            lines.append(f'{number},"{words}",Ross,{emotion},x,{dialog},0,8,21,"00:16:16,059","00:16:17,059"\n')
            path = root / part / FOLDERS[part] / f"dia{dialog}_utt0.mp4"
            write_clip(path, emotion, rng)
        (root / f"{part}_sent_emo.csv").write_bytes("".join(lines).encode().replace("’".encode(), b"\x92"))
        if part == "train":
            path.write_bytes(path.read_bytes()[:300])  # the last is broken, as dia125_utt3 of the release
            broken = f"train_dia{dialog}_utt00"
        elif part == "dev":
            path.unlink()  # and the last of dev is missing, as dia110_utt7
            missing = f"val_dia{dialog}_utt00"
    (root / "test" / FOLDERS["test"] / "._dia0_utt0.mp4").write_bytes(b"x")
    (root / "test" / FOLDERS["test"] / "final_videos_testdia0_utt0.mp4").write_bytes(b"x")
    return broken, missing


def test_meld_runs_to_its_end_by_its_own_parts(project):
    broken, missing = write_meld(project.folder / "MELD.Raw")
    project.write_config("meld.yaml", RUN)
    configs = ("config/demo.yaml", "config/meld.yaml", "meld.yaml")
    done = project.snakemake("--quiet", "all", configs=configs)
    assert done.returncode == 0, done.stdout[-5_000:]
    results = project.folder / "results/meld"
    turns = read_parquet(results / "turns.parquet").to_pandas()
    assert turns["official"].value_counts().to_dict() == {"train": 20, "val": 8, "test": 8}
    told = "\n".join(" ".join(row.values()) for row in read_tsv(results / "problems.tsv"))
    assert broken in told and missing in told and "final_videos_test" in told and "macOS" in told
    words = read_parquet(results / "words.parquet").to_pandas()
    assert words["text"].str.contains("I’m so glad").sum() == 18  # not a byte of Windows-1252 is left
    run = results / "official"
    split = read_parquet(run / "splits/official1.parquet").to_pandas().set_index("turn_id")["part"]
    assert split.to_dict() == turns.set_index("turn_id")["official"].to_dict()
    scores = read_parquet(run / "evaluation/official/scores.parquet").to_pandas()
    assert scores.query("system == 'chosen' and part == 'test'")["n"].max() == 8
    report = (run / "report.html").read_text()
    assert "official: the corpus names the turns" in report and broken in report
    assert "In 1 of 1 folds a test speaker is also in training or validation" in report
    assert not project.planned("all", configs=configs)
    table = project.folder / "MELD.Raw/train_sent_emo.csv"
    table.write_bytes(table.read_bytes().replace(b', 0"', b', indeed"', 1))
    jobs = set(project.planned("clips", configs=configs))
    assert {name for name in jobs if name.startswith("cut_")} == {"cut_text part"}
