"""The config: every mistake is named with its key and its remedy, and the shipped files are valid."""

import copy
import datetime
import math
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from emofuse.configuration.choices import check_choices, check_local_models
from emofuse.configuration.encoders import Encoders
from emofuse.configuration.meaning import LEAKS, candidates, class_set, classes, leaks
from emofuse.configuration.schema import check_config, drop_nulls, load_schema, refuse_repeated_keys
from emofuse.corpora.class_sets import CLASS_SETS
from emofuse.runtime.errors import EmofuseError

# What a config must name where there is no validation part.
FIXED = {"final_system": "early-concat-svm", "train_vectors": "in_sample", "classifiers": {"svm": {"C": 1.0}}}
ROOT = Path(__file__).parents[2]
SCHEMA = load_schema(ROOT / "workflow/schemas/config.schema.yaml")


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))


def message(config):
    with pytest.raises(EmofuseError) as caught:
        check_config(config, SCHEMA)
    return str(caught.value)


def test_shipped_config_is_valid_and_complete(config):
    filled = copy.deepcopy(config)
    check_config(filled, SCHEMA)
    check_choices(filled)
    left_out = {"corpus": {"notice", "labels"}}  # only a demo, and CREMA-D, set them
    for key, entry in SCHEMA["properties"].items():
        assert key in config
        if entry.get("properties") and key != "encoders":
            assert set(entry["properties"]) - left_out.get(key, set()) == set(config[key]), key


def test_unknown_key_names_the_nearest_known_one(config):
    config["corpus"]["rot"] = "/data"
    assert "corpus: unknown key 'rot' (did you mean 'root'?)" in message(config)


@pytest.mark.parametrize(
    "modality, encoder, fusion, said",
    [
        ("audio", {"features": "egemaps", "sequences": {"rate": 10}}, {}, "'egemaps' makes one vector of a turn"),
        ("audio", {"features": "mfcc", "sequences": {"rate": 10}}, {}, None),
        ("motion", {"motion": "clips"}, {"video": None}, "there is no video in fusion"),
        ("motion", {"motion": "clips"}, {}, None),
        ("motion", {"motion": "capture"}, {"video": None}, None),
    ],
)
def test_steps_and_motion_that_cannot_be_are_refused(config, modality, encoder, fusion, said):
    update_config(config, {"encoders": {modality: {"x": encoder}}, "fusion": fusion})
    drop_nulls(config)
    check_config(config, SCHEMA)
    if said is None:
        check_choices(config)
        return
    with pytest.raises(
        EmofuseError, match=f"encoders.{modality}.x.{'sequences' if fusion == {} else 'motion'}: .*{said}"
    ):
        check_choices(config)


def test_unknown_encoder_key(config):
    config["encoders"]["text"]["bert"]["learning_rates"] = 1.0e-5
    assert "encoders.text.bert: unknown key 'learning_rates' (did you mean 'learning_rate'?)" in message(config)


@pytest.mark.parametrize(("written", "mended"), [("1e-5", "1.0e-5"), ("2.5E-4", "2.5e-4"), ("1e5", "1.0e+5")])
def test_number_that_yaml_reads_as_text(config, written, mended):
    config["encoders"]["text"]["bert"]["learning_rate"] = written
    assert (
        f"encoders.text.bert.learning_rate: YAML reads {written} as text, not as a number; write {mended}"
        in message(config)
    )
    assert isinstance(yaml.safe_load(f"x: {mended}")["x"], float)


def test_all_faults_at_once(config):
    config["seeds"] = [-1]
    config["clips"]["crop"] = "left"
    text = message(config)
    assert "seeds.0" in text and "clips.crop: 'left' is none of speaker, partner, full" in text


@pytest.mark.parametrize("name", ["../x", "a/b", "Demo", "", "x;rm", "-x", "x\n"])
def test_names_that_become_paths_are_safe(config, name):
    config["run"] = name
    assert "run:" in message(config)


def test_encoder_names_are_safe(config):
    config["encoders"]["text"]["../bert"] = config["encoders"]["text"]["bert"]
    assert "../bert" in message(config)


def choices(config):
    with pytest.raises(EmofuseError) as caught:
        check_choices(config)
    return str(caught.value)


def test_fused_encoder_must_exist(config):
    config["fusion"]["text"] = "brt"
    assert "no encoder 'brt' under encoders.text (did you mean 'bert'?)" in choices(config)


def test_some_modality_must_be_left(config):
    config["fusion"] = {}
    assert "fusion: none is left" in choices(config)


def test_label_in_two_classes(config):
    config["classes"] = {**CLASS_SETS["four"], "neu": ["neu", "exc"]}
    assert "'exc' is in both 'hap' and 'neu'" in choices(config)


def test_nothing_can_be_chosen_without_validation(config):
    config["validation"]["rule"] = "none"
    said = choices(config)
    assert all(
        key in said
        for key in ("final_system:", "train_vectors: 'validation'", "classifiers.svm.C:", "classifiers.mlp.width:")
    )
    named = copy.deepcopy(config) | FIXED
    check_choices(named)
    named["train_vectors"] = "cross_fitted"
    assert "train_vectors: 'cross_fitted' needs a validation part" in choices(named)
    named = copy.deepcopy(config) | FIXED | {"classifiers": {"svm": {"C": [1.0]}}}
    check_choices(named)  # nothing to choose from


def test_a_refit_learns_from_all_its_vectors(config):
    config["validation"]["refit"] = True
    for vectors in ("validation", "cross_fitted"):
        config["train_vectors"] = vectors
        assert (
            f"validation.refit: encoders trained anew have seen the validation part, so train_vectors: '{vectors}'"
            in choices(config)
        )
    config["train_vectors"] = "in_sample"
    check_choices(config)


@pytest.mark.parametrize("protocol", ["speaker", "scenario", "scenario_control"])
def test_other_protocols_have_a_validation_part_of_their_own(config, protocol):
    config["protocols"] = ["session", protocol]
    check_choices(config)
    config["validation"]["rule"] = "share"
    assert f"protocols: '{protocol}' has a validation part of its own" in choices(config)


def test_class_sets(config):
    assert {name: len(CLASS_SETS[name]) for name in CLASS_SETS} == {"four": 4, "four_without_excited": 4, "six": 6}
    assert classes(config) == {"ang": ["ang"], "hap": ["exc", "hap"], "neu": ["neu"], "sad": ["sad"]}
    for name in CLASS_SETS:
        config["classes"] = name
        check_config(config, SCHEMA)
        check_choices(config)
        assert class_set(config) == name
    config["classes"] = {"sad": ["sad"], "neu": ["neu"], "hap": ["exc", "hap"], "ang": ["ang"]}
    assert class_set(config) == "four"
    config["classes"] = {"pos": ["hap"], "neg": ["sad"]}
    assert class_set(config) == ""
    config["classes"] = "for"
    assert "classes: 'for' is none of: four, four_without_excited, six, or each class" in message(config)
    config["classes"] = {"pos": ["hap"], "neg": ["sda"]}
    with pytest.raises(EmofuseError, match=r"classes\.neg: sda is no label of IEMOCAP \(did you mean 'sad'\?\)"):
        check_choices(config)
    config["classes"] = {"../x": ["hap"], "neg": ["sad"]}
    assert "../x" in message(config)


@pytest.mark.parametrize(
    ("value", "said"),
    [(-1, "-1 must be above 0"), ([1.0, "x"], "'x' is not of type number"), ("1e-1", "write 1.0e-1")],
)
def test_a_setting_or_a_list_of_them(config, value, said):
    config["classifiers"]["svm"]["C"] = value
    assert "classifiers.svm.C" in (text := message(config)) and said in text


def test_previous_session_needs_three(config):
    config["corpus"]["sessions"] = [1, 2]
    assert "three sessions" in choices(config)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (("seeds",), [202401011230], "seeds.0: 202401011230 must be at most 4294967295"),
        (
            ("run",),
            1,
            "run: 1 is not of type string (YAML reads it as a number; if it is meant as text, put it in quotes)",
        ),
        (
            ("run",),
            datetime.date(2026, 1, 1),
            "run: datetime.date(2026, 1, 1) is not of type string (YAML reads it as a date",
        ),
        (("corpus", "name"), True, "corpus.name: True is not of type string (YAML reads it as true or false"),
        (("subset",), False, "subset: False is none of all, improvised, scripted (YAML reads it as true or false"),
        (
            ("classifiers",),
            {"mlp": "null"},
            "classifiers.mlp: 'null' is not of type object (--config reads what stands",
        ),
        (("training", "threads"), 2.0, "training.threads: 2.0 is not of type integer (write 2)"),
        (("training", "threads"), 10**9, "training.threads: 1000000000 must be at most 1024"),
        (("validation", "share"), math.nan, "validation.share: nan is not of type number"),
        (("classifiers", "svm", "C"), math.inf, "classifiers.svm.C: inf is none of: number, a list of these"),
        (("encoders", "text", "bert", "learning_rate"), 20, "encoders.text.bert.learning_rate: 20 must be at most 1"),
        (("encoders", "audio", "ast", "max_seconds"), 0.1, "max_seconds: 0.1 must be at least 0.25"),
        (("corpus", "root"), "a\nb", "corpus.root: 'a\\nb' holds a character that cannot be printed"),
        (("corpus", "name"), "x" * 61, "is not allowed here (a name here becomes part of file names"),
        ((), {"on": 1, True: 2, 3: 4}, "unknown key '3' (known ones: "),
        (
            ("classes",),
            {True: ["neu"], "b": ["ang"]},
            "classes: True is not of type string (YAML reads it as true or false",
        ),
    ],
)
def test_the_cause_and_the_cure_are_said(config, key, value, said):
    place = config
    for name in key[:-1]:
        place = place[name]
    if key:
        place[key[-1]] = value
    else:
        place.update(value)
    assert said in message(config)


def test_a_key_that_stands_twice_is_not_forgotten_in_silence(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("seeds: [0]\nencoders:\n  text: {bert: {epochs: 3}}\n  text: {bert: {dropout: 0}}\nseeds: [1]\n")
    with pytest.raises(EmofuseError) as caught:
        refuse_repeated_keys([path])
    assert f"{path}:4: the key 'text' stands in line 3 already" in str(caught.value)
    assert f"{path}:5: the key 'seeds' stands in line 1 already" in str(caught.value)
    path.write_text("a: &x {b: 1}\nc: {<<: *x, b: 2}\n? [1]\n: 1\nlist: [{b: 1}, {b: 2}]\n")
    refuse_repeated_keys([path, *sorted((ROOT / "config").glob("*.yaml"))])


def test_null_on_the_command_line_is_text(config):
    config["fusion"]["video"] = "null"
    said = choices(config)
    assert (
        "there is no encoder 'null' under encoders.video" in said
        and "--config reads what stands in braces as text" in said
    )


@pytest.mark.parametrize("path", ["/data/{x}/release", "/data/<corpus>/release", "/data/a{b"])
def test_a_path_that_snakemake_would_change_is_refused_by_name(config, path, tmp_path):
    config["corpus"]["root"] = path
    assert f"corpus.root: {path}: Snakemake takes " in choices(config) and "ln -s" in choices(config)
    config["corpus"]["root"] = "/data/a<3 b> c>/it's $x"  # nothing that Snakemake knows
    check_choices(config)
    folder = tmp_path / "{bert}"
    folder.mkdir()
    config["encoders"]["text"]["bert"]["model"] = str(folder)
    with pytest.raises(EmofuseError, match=r"encoders\.text\.bert\.model: .* a placeholder"):
        check_local_models(config, {})


def test_refit_needs_a_validation_part(config):
    config["validation"] |= {"rule": "none", "refit": True}
    assert "validation.refit" in choices(config | FIXED)


def test_patience_must_be_able_to_end_a_training(config):
    encoder = config["encoders"]["text"]["bert"]
    encoder |= {"patience": 3, "epochs": 5}
    check_choices(config)
    encoder["epochs"] = 4
    assert "encoders.text.bert.patience: the first of 4 epochs and 3 more are all of them" in choices(config)
    encoder["epochs"] = 20
    config["validation"]["rule"] = "none"
    assert "encoders.text.bert.patience: with validation.rule 'none' no epoch can be the best" in choices(
        config | FIXED
    )
    config["validation"]["rule"] = "test"  # the epoch is chosen there, as allow_leaks must say
    config["allow_leaks"] = ["epoch_on_test"]
    check_choices(config | FIXED)


def test_a_context_holds_turns_and_is_part_of_what_an_encoder_is_made_with(config):
    encoder = config["encoders"]["text"]["bert"]
    encoder |= {"context": {"before": 0, "after": 0}}
    assert "encoders.text.bert.context: it names no turn before and none after" in choices(config)
    encoder["context"] = {"after": 1}
    check_config(config, SCHEMA)
    check_choices(config)
    for frozen in (False, True):
        known = Encoders({"text": {"bert": encoder | {"frozen": frozen}}})
        assert known.settings("text", "bert")["context"] == {"after": 1, "before": 0} and known.has_context(
            "text", "bert"
        )
    assert not Encoders(config["encoders"]).has_context("text", "roberta")
    encoder["context"] = {"before": 51}
    with pytest.raises(EmofuseError, match=r"encoders.text.bert.context.before: 51 must be at most 50"):
        check_config(config, SCHEMA)


@pytest.mark.parametrize(
    ("modality", "name", "key", "value"),
    [
        ("text", "bert", "freeze_convolutions", True),
        ("video", "videomae", "mask_time_prob", 0.1),
        ("text", "bert", "layer", 0),
        ("text", "bert", "layer_decay", 0),
        ("text", "bert", "schedule", "polynomial"),
        ("text", "bert", "label_smoothing", 1),
        ("audio", "wav2vec2", "mask_time_length", 0),
    ],
)
def test_knobs_that_mean_nothing_are_refused(config, modality, name, key, value):
    config["encoders"][modality][name][key] = value
    with pytest.raises(EmofuseError, match=rf"encoders\.{modality}\.{name}.*{key}|{key}.*encoders"):
        check_config(config, SCHEMA)


def test_figure_fold_must_be_a_fold(config):
    config["corpus"]["sessions"] = [1, 2, 3]
    assert "figure_fold: session 5 is not in corpus.sessions" in choices(config)


def test_final_system_must_be_made(config):
    config["final_system"] = "early-concat-swm"
    assert "no system 'early-concat-swm' (did you mean 'early-concat-svm'?)" in choices(config)
    config["fusion"] = {"text": "bert"}
    config["final_system"] = "best"
    assert "no system 'best' (such as text-bert)" in choices(config)


def test_run_is_no_folder_of_the_corpus(config):
    config["run"] = "clips"
    assert "run: 'clips' is a folder of the corpus" in choices(config)


def test_some_classifier_must_be_left(config):
    config["classifiers"] = {}
    assert "classifiers: none is left" in choices(config)


def test_number_given_as_text_on_the_command_line(config):
    config["training"]["threads"] = "2"
    assert "training.threads: '2' is not of type integer (--config reads" in message(config)


def test_alternatives_are_named(config):
    config["classifiers"]["svm"]["gamma"] = "auto"
    assert "classifiers.svm.gamma: 'auto' is none of: scale, number, a list of these" in message(config)


def test_local_model_must_be_there(config, tmp_path):
    made = {"resources/demo/encoders/bert"}
    config["fusion"] = {"text": "bert"}
    for model in ("resources/demo/encoders/bert", str(tmp_path), "google-bert/bert-base-uncased"):
        config["encoders"]["text"]["bert"]["model"] = model
        check_local_models(config, made)
    for model in ("resources/demo/encoders/brt", str(tmp_path / "none"), "./bert"):
        config["encoders"]["text"]["bert"]["model"] = model
        with pytest.raises(EmofuseError, match=r"encoders\.text\.bert\.model: .*no such folder"):
            check_local_models(config, made)


LEAKY = {
    "encoder_on_test": lambda config: config["fusion"].update(audio={"choose": "test"}),
    "epoch_on_test": lambda config: (config["validation"].update(rule="test"), config.update(FIXED)),
    "final_system_on_test": lambda config: config.update(final_system="test"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_refused_by_name_until_it_is_allowed(config, leak):
    assert leaks(config) == []
    LEAKY[leak](config)
    assert leaks(config) == [leak]
    assert f"allow it as '{leak}'" in choices(config)
    config["allow_leaks"] = [name for name in LEAKS if name != leak]
    assert f"allow it as '{leak}'" in choices(config)
    config["allow_leaks"] = [leak]
    check_choices(config)


def test_what_the_paper_did_is_valid_and_leaks_in_all_three_ways(config):
    paper = yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8"))
    update_config(config, paper)
    check_config(config, SCHEMA)
    check_choices(config)
    assert leaks(config) == list(LEAKS)
    config["allow_leaks"] = []
    assert all(f"allow it as '{leak}'" in choices(config) for leak in LEAKS)


def test_choosing_an_encoder_needs_the_selection(config):
    config["fusion"]["text"] = {"choose": "validation"}
    check_choices(config)
    config["selection"] = None
    assert "fusion.text: {'choose': 'validation'} needs the comparison of encoders" in choices(config)


def test_choice_is_validation_or_test(config):
    config["fusion"]["text"] = {"choose": "train"}
    assert "fusion.text.choose: 'train' is none of validation, test" in message(config)
    config["fusion"]["text"] = 3
    assert "fusion.text: 3 is none of: an encoder's name, {choose: validation}" in message(config)


def test_candidates_are_all_encoders_or_those_of_the_folds(config):
    assert candidates(config) == {
        "text": ["bert", "roberta", "distilbert"],
        "audio": ["wav2vec2", "hubert", "ast"],
        "video": ["videomae"],
    }
    config["selection"] = None
    assert candidates(config) == {"text": ["bert"], "audio": ["wav2vec2"], "video": ["videomae"]}


def test_null_leaves_out_a_modality_an_encoder_a_classifier_a_class(config):
    update_config(
        config, {"fusion": {"video": None}, "encoders": {"text": {"roberta": None}}, "classifiers": {"mlp": None}}
    )
    config["classes"] = {"calm": ["neu"], "loud": ["ang"], "low": None}
    drop_nulls(config)
    check_config(config, SCHEMA)
    check_choices(config)
    assert candidates(config) == {"text": ["bert", "distilbert"], "audio": ["wav2vec2", "hubert", "ast"]}
    assert set(config["classifiers"]) == {"svm", "xgboost"}
    assert set(config["classes"]) == {"calm", "loud"}


def test_selection_fold_must_be_a_session(config):
    config["corpus"]["sessions"], config["figure_fold"] = [1, 2, 3], 3
    assert "selection.fold: session 5 is not in corpus.sessions" in choices(config)
