"""A user's mistake ends with a message that says what, where and what to do; never a traceback, nothing half-written."""

import os
import time

import pytest
import yaml

import release_tree
from emofuse.corpora.iemocap import paths
from emofuse.demo.encoders import write_encoder

DIALOG = release_tree.DIALOGS[0]


def refused(project, *arguments, configs=()):
    """The output of a run that must fail without a traceback."""
    done = project.snakemake(*arguments, configs=configs, told=True)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout and ".smk" not in done.stdout, done.stdout
    return done.stdout


@pytest.fixture
def tree(project):
    """A small release tree beside the project, and the config that names it."""
    root = release_tree.make_release(project.folder / "release")
    project.write_config("tree.yaml", {"corpus": {"name": "small", "root": str(root)}})
    return root


def test_the_base_config_is_read_from_wherever_snakemake_works(project, tmp_path):
    """Also from a folder with a config of its own, which is layered over it."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "config").mkdir(parents=True)
    project.write_config("mine.yaml", {"run": "mine", "encoders": {"audio": {"wav2vec2": {"epochs": 3}}}})
    arguments = ("--dry-run", "--directory", str(elsewhere))
    output = refused(project, *arguments, configs=[str(project.folder / "mine.yaml")])
    assert "corpus.root is not set" in output and "required" not in output
    (elsewhere / "config/config.yaml").write_text("corpus: {root: /no/such/place}\n")
    output = refused(project, *arguments, configs=[str(project.folder / "mine.yaml")])
    assert "corpus.root is /no/such/place, which does not exist" in output


def test_a_refusal_is_told_however_quiet_snakemake_is(project, tree):
    assert "error: corpus.root is not set" in refused(project, "--quiet", "all")
    labels = paths.label_path(tree, DIALOG)
    labels.write_text(labels.read_text().replace("[0.5000 - 1.5000]", "[1.5000 - 0.5000]"))
    output = refused(project, "--quiet", "all", "--", "results/small/turns.parquet", configs=["tree.yaml"])
    assert "\nerror: Errors in label files: 1" in output and "no interval" in output
    assert output.rstrip().endswith("log: results/small/logs/index_turns.log")


def test_a_release_dated_in_the_future_is_refused_before_any_job(project, tree):
    path = paths.dialog_wav_path(tree, DIALOG)
    os.utime(path, (time.time() + 86_400,) * 2)
    output = refused(project, "--dry-run", configs=["tree.yaml"])
    assert "Files dated in the future: 1" in output and path.name in output and "touch" in output


@pytest.mark.parametrize("name", ["pro{x}ject", "re<corpus>lease"])
def test_folders_that_snakemake_would_misread_are_refused_by_name(project, tree, name):
    folder = project.folder.rename(project.folder.with_name(name))
    moved = type(project).at(folder)
    moved.write_config("tree.yaml", {"corpus": {"name": "small", "root": str(folder / "release")}})
    assert name in refused(moved, "--dry-run", configs=["tree.yaml"])
    if "{" not in name:  # a project may lie there, for paths in it are relative
        moved.write_config("tree.yaml", {"corpus": {"name": "small", "root": "release"}})
        assert moved.planned("results/small/turns.parquet", configs=["tree.yaml"]) == {"index_turns": 1}


def check(project, **arguments):
    return refused(project, "check", configs=["tree.yaml"], **arguments)


def left(project):
    """Files of the corpus index and of clips that a failed run left behind."""
    results = project.folder / "results/small"
    return sorted(str(p.relative_to(results)) for p in results.rglob("*.parquet")) + sorted(
        str(p.relative_to(results)) for p in results.rglob("*.partial")
    )


def test_root_unset(project):
    output = refused(project, "--dry-run")
    assert "corpus.root is not set" in output and "--config" in output and "make demo" in output


def test_root_that_is_not_there(project):
    output = refused(project, "--dry-run", "--config", "corpus={root: /no/such/place}")
    assert "corpus.root is /no/such/place, which does not exist" in output


def test_empty_session(project, tree):
    for path in sorted((tree / "Session4").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    output = check(project)
    assert "Session4" in output and "no dialog" in output


def test_truncated_wav_and_avi_are_listed_together(project, tree):
    wav, avi = paths.dialog_wav_path(tree, DIALOG), paths.avi_path(tree, DIALOG)
    for path in (wav, avi):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    output = check(project)
    assert wav.name in output and avi.name in output and output.count("truncated") >= 2
    assert "corpus.on_missing" in output and output.count("small/logs/index_media.log") == 1
    assert "Failed: index_media\n  error: " in output and "Go on with:\n  snakemake --configfile tree.yaml" in output
    assert "index/media.parquet" not in left(project)


def test_turn_id_that_is_a_path(project, tree):
    labels = paths.label_path(tree, DIALOG)
    labels.write_text(labels.read_text().replace(f"{DIALOG}_F000", "../../x"))
    output = check(project)
    assert f"{labels.name}:" in output and "../../x" in output
    assert left(project) == []
    assert not list(project.folder.glob("x*")) and not list((project.folder / "results").glob("x*"))


def test_unknown_key(project):
    output = refused(project, "--dry-run", "--config", "corpus={rot: /data}")
    assert "unknown key 'rot' (did you mean 'root'?)" in output


def test_number_read_as_text(project):
    text = (project.folder / "config/config.yaml").read_text()
    (project.folder / "config/config.yaml").write_text(text.replace("learning_rate: 2.0e-5", "learning_rate: 1e-5"))
    output = refused(project, "--dry-run")
    assert (
        "encoders.text.bert.learning_rate: YAML reads 1e-5 as text, not as a number; write 1.0e-5 (config/config.yaml:"
        in output
    )


def test_local_encoder_that_is_not_there(project, tree):
    project.write_config("model.yaml", {"encoders": {"text": {"bert": {"model": "./models/bert"}}}})
    output = refused(project, "--dry-run", configs=["tree.yaml", "model.yaml"])
    assert "encoders.text.bert.model" in output and "./models/bert" in output and "no such folder" in output
    assert "(model.yaml:4)" in output  # the last file that has the key, and not the first


def test_an_encoder_that_cannot_be_used_is_refused_before_anything_is_cut(project, tree):
    """Two at once, each by its key."""
    encoders = {}
    for modality, name, broken in (
        ("text", "bert", "tokenizer.json"),
        ("audio", "wav2vec2", "preprocessor_config.json"),
    ):
        write_encoder(name, project.folder / "models" / name, seed=0)
        encoders[modality] = {name: {"model": f"./models/{name}"}}
        path = project.folder / "models" / name / broken
        path.write_text(path.read_text().replace("16000", "8000")) if name == "wav2vec2" else path.unlink()
    project.write_config("model.yaml", {"encoders": encoders, "fusion": {"video": None}})
    output = refused(project, configs=["tree.yaml", "model.yaml"])
    assert "error: Encoders that cannot be used: 2" in output and "check_encoders.log" in output
    assert (
        "encoders.text.bert.model: the encoder in ./models/bert cannot be used: its tokenizer knows 0 of 91" in output
    )
    assert (
        "encoders.audio.wav2vec2.model: the encoder in ./models/wav2vec2 cannot be used: its Wav2Vec2Feature" in output
    )
    assert not (project.folder / "results/small/clips").exists()


def test_check_of_a_sound_tree_prints_a_summary(project, tree):
    done = project.snakemake("check", configs=["tree.yaml"])
    assert done.returncode == 0, done.stdout
    assert (
        "10 dialogs" in done.stdout
        and "141 of its dialogs" in (project.folder / "results/small/problems.tsv").read_text()
    )
    assert not (project.folder / "results/small/clips").exists()  # trains nothing, cuts nothing


def test_missing_files_are_listed_together_before_any_job(project, tree):
    for path in (paths.avi_path(tree, DIALOG), paths.transcript_path(tree, release_tree.DIALOGS[3])):
        path.unlink()
    output = refused(project, "--dry-run", configs=["tree.yaml"])
    assert "Missing files of the release: 2" in output and "corpus.on_missing: drop" in output
    assert f"{DIALOG}.avi (video)" in output and f"{release_tree.DIALOGS[3]}.txt (transcript)" in output


def test_drop_lists_what_is_left_out(project, tree):
    paths.avi_path(tree, DIALOG).unlink()
    project.write_config("drop.yaml", {"corpus": {"on_missing": "drop"}})
    done = project.snakemake("check", configs=["tree.yaml", "drop.yaml"])
    assert done.returncode == 0, done.stdout
    problems = (project.folder / "results/small/problems.tsv").read_text()
    assert f"{DIALOG}.avi" in problems


def test_config_reaches_only_known_names(project):
    config = yaml.safe_load((project.folder / "config/config.yaml").read_text())
    assert config["corpus"]["root"] is None  # a real run must name its tree
    output = refused(project, "--dry-run", "--config", "run=../../etc")
    assert "run: '../../etc' is not allowed here" in output


def test_null_leaves_a_modality_and_a_classifier_out(project, tree):
    project.write_config("two.yaml", {"fusion": {"video": None}, "classifiers": {"mlp": None}})
    planned = project.planned(configs=["tree.yaml", "two.yaml"])
    assert planned["fine_tune text"] == planned["fine_tune audio"] == 5
    assert not [job for job in planned if "video" in job or job == "classify mlp"]


def test_refit_adds_a_training_and_an_embedding_of_each_encoder_and_fold(project, tree):
    project.write_config("refit.yaml", {"validation": {"refit": True}, "train_vectors": "in_sample"})
    before, after = (project.planned(configs=["tree.yaml", *more]) for more in ([], ["refit.yaml"]))
    encoders = [f"{rule} {modality}" for rule in ("fine_tune", "embed") for modality in ("text", "audio", "video")]
    added = {job: after[job] - before[job] for job in after if after[job] != before[job]}
    assert added == {"make_split": 5} | dict.fromkeys(encoders, 5)


def test_what_each_protocol_and_cross_fitting_add(project, tree):
    """Trainings of one encoder and jobs of one classifier. The tree has two plays, so two of three groups."""
    folds = {"session": 5, "speaker": 10, "scenario": 10, "scenario_control": 10}
    project.write_config("protocol.yaml", {"protocols": list(folds)})
    planned = project.planned(configs=["tree.yaml", "protocol.yaml"])
    jobs = ("make_split", "fine_tune text", "embed video", "classify svm")
    assert [planned[job] for job in jobs] == [sum(folds.values())] * 4
    assert planned["evaluate"] == planned["assess"] == 4
    assert planned["make_tables"] == 4 and planned["make_protocols_table"] == planned["make_report"] == 1
    project.write_config("crossed.yaml", {"train_vectors": "cross_fitted"})
    planned = project.planned(configs=["tree.yaml", "crossed.yaml"])
    assert planned["fine_tune text"] == planned["embed audio"] == planned["make_split"] == 5 + 15
    assert planned["classify svm"] == 5
    project.write_config("speaker.yaml", {"protocols": ["speaker"], "train_vectors": "cross_fitted"})
    assert project.planned(configs=["tree.yaml", "speaker.yaml"])["fine_tune text"] == 10 + 40


def test_a_root_and_words_that_look_like_code_are_only_a_name_and_words(project):
    root = release_tree.make_release(project.folder / "it's $(touch run) `touch run`; touch run & re lease")
    transcript = paths.transcript_path(root, DIALOG)
    transcript.write_text(transcript.read_text() + "<script>document.title='run'</script>: $(touch run)\n")
    project.write_config("odd.yaml", {"corpus": {"name": "odd", "root": str(root)}})
    done = project.snakemake("check", f"results/odd/clips/text/{DIALOG}.manifest.tsv", configs=["odd.yaml"])
    assert done.returncode == 0, done.stdout
    assert not list(project.folder.rglob("run"))
    assert "<script>document.title='run'</script>" in (project.folder / "results/odd/problems.tsv").read_text()


@pytest.mark.parametrize("key", ["run", "corpus.name"])
def test_names_cannot_leave_results(project, key):
    section, _, name = key.rpartition(".")
    value = {name: "../../etc"}
    project.write_config("out.yaml", {section: value} if section else value)
    assert f"{key}: '../../etc' is not allowed here" in refused(project, "--dry-run", configs=["out.yaml"])
