"""Checks whether settings that are valid one by one go together, and whether the encoders that they name are there."""

from pathlib import Path

from emofuse.configuration.meaning import (
    LEAKS,
    any_frozen,
    candidates,
    classes,
    is_frozen,
    is_path,
    labels,
    leaks,
    sessions,
    train_vectors,
)
from emofuse.configuration.named import named_problems
from emofuse.configuration.paths import PLACEHOLDER, placeholders
from emofuse.configuration.schema import check_config, drop_nulls, hint, load_schema, nearest, refuse_repeated_keys
from emofuse.corpora.iemocap.labels import LABELS
from emofuse.corpora.listing import IEMOCAP
from emofuse.fusion import systems
from emofuse.runtime import kinds
from emofuse.runtime.disk import refuse_future
from emofuse.runtime.errors import EmofuseError, listing
from emofuse.splits.folds import PROTOCOLS, UNVALIDATED, constant, listed

FORMATS = (".parquet", ".npz", ".npy")  # of vectors that were made elsewhere
FEATURES = "encoders/features"
# Folders beside the runs in results/<corpus.name>/.
RESERVED = {"benchmarks", "clips", "compare", "index", "logs"}


def check(config, schema, files=()):
    """Check a config as read, nulls and all, fill in its defaults, in place. schema: path. files: those that it was read from.

    Raises EmofuseError for all that is wrong of a kind.
    """
    refuse_repeated_keys(files)
    drop_nulls(config)
    check_config(config, load_schema(schema))
    check_choices(config)


def check_choices(config):
    """Raise EmofuseError for settings that are valid one by one but do not go together (config with its defaults set)."""
    problems = [f"{key}: none is left" for key in ("fusion", "classifiers") if not config[key]]
    problems += placeholders({f"corpus.{key}": config["corpus"][key] for key in ("root", "dialogs")})
    if config["run"] in RESERVED or config["run"].startswith("clips-"):
        problems.append(f"run: '{config['run']}' is a folder of the corpus; name the run otherwise")
    problems += _corpus_problems(config) + _session_problems(config)
    problems += _system_problems(config)
    for modality, name in config["fusion"].items():
        problems += _encoder_problems(config, modality, name)
    problems += _steps_problems(config["encoders"]) + _motion_problems(config)
    forbidden = [name for name in leaks(config) if name not in config["allow_leaks"]]
    problems += [f"allow_leaks: {LEAKS[name]}; allow it as '{name}', or change the setting" for name in forbidden]
    owner = {}
    for name, raw in classes(config).items():
        for label in raw:
            if label in owner:
                problems.append(f"classes: the label '{label}' is in both '{owner[label]}' and '{name}'")
            owner[label] = name
    problems += (
        named_problems(config) + _validation_problems(config) + _patience_problems(config) + _context_problems(config)
    )
    if problems:
        raise EmofuseError("the config does not fit together:\n" + listing(problems))


def _corpus_problems(config):
    """What does not go with the kind of corpus."""
    corpus, kind = config["corpus"], config["corpus"]["kind"]
    wrong = [name for name in config["protocols"] if listed(name) == (kind == IEMOCAP)]
    known = [name for name in PROTOCOLS if listed(name) != (kind == IEMOCAP)]
    problems = [f"protocols: '{name}' is none of a corpus of the kind {kind}: {', '.join(known)}" for name in wrong]
    if kind == IEMOCAP:
        return problems + [
            f"classes.{name}: {label} is no label of IEMOCAP ({nearest(label, LABELS) or ', '.join(LABELS)})"
            for name, raw in classes(config).items()
            for label in raw
            if label not in LABELS
        ]
    if isinstance(config["classes"], str):
        problems.append(f"classes: '{config['classes']}' is of IEMOCAP; write each class with its raw labels")
    if config["subset"] != "all":
        problems.append(f"subset: only dialogs of IEMOCAP are {config['subset']}; set it to all")
    if config["clips"]["crop"] == "partner":
        problems.append("clips.crop: the partner is in IEMOCAP's split screen alone; set it to speaker or full")
    if corpus["dialogs"]:
        problems.append("corpus.dialogs: only of IEMOCAP; leave it out")
    if corpus["folds"]["by"] == "dialog" and "group" in config["protocols"]:
        problems.append("corpus.folds.by: 'dialog' keeps no speaker apart, so only the protocol official goes with it")
    captures = [name for name, of in config["encoders"].get("motion", {}).items() if of["motion"] == "capture"]
    return problems + [f"encoders.motion.{name}: only IEMOCAP has motion capture; take 'clips'" for name in captures]


def _session_problems(config):
    """What names a session that is not there, or needs more of them."""
    there, selection = sessions(config), config["selection"]
    problems = []
    if config["figure_fold"] not in there:
        problems.append(f"figure_fold: session {config['figure_fold']} is not in corpus.sessions")
    if selection and selection["fold"] not in there:
        problems.append(
            f"selection.fold: session {selection['fold']} is not in corpus.sessions; name one, or set selection: null"
        )
    if len(there) < 3 and config["validation"]["rule"] == "previous_session":
        problems.append("corpus.sessions: the rule previous_session needs at least three sessions (train, val, test)")
    elif len(there) < 3 and selection:
        problems.append("corpus.sessions: the selection needs at least three sessions (train, val, test)")
    return problems


def _system_problems(config):
    """What is wrong with the final system that is named."""
    made = systems.systems(labels(config), config["classifiers"], config["early_fusion"])
    names = [*(system.name for system in made), *config["systems"]]
    if config["final_system"] in (*systems.ON_VALIDATION, "test", *names):
        return []
    proper = ", ".join(system.name for system in systems.candidates(made))
    remedy = nearest(config["final_system"], names) or f"such as {proper}"
    return [f"final_system: this run makes no system '{config['final_system']}' ({remedy})"]


def _encoder_problems(config, modality, name):
    """What is wrong with the encoder of a modality in `fusion`: a name, or how it is chosen."""
    known, problems = config["encoders"].get(modality, {}), []
    if isinstance(name, dict):
        if not config["selection"]:
            problems.append(f"fusion.{modality}: {name} needs the comparison of encoders; set selection: {{fold: 5}}")
        elif not known:
            problems.append(f"fusion.{modality}: {name}: there is no encoder under encoders.{modality}")
    elif name not in known:
        remedy = nearest(name, known) or f"known ones: {', '.join(sorted(known)) or 'none'}"
        problems.append(
            f"fusion.{modality}: there is no encoder '{name}' under encoders.{modality} ({remedy}){hint(name, 'null')}"
        )
    for one in known if isinstance(name, dict) else {name} & known.keys():
        if is_frozen(known[one]) and known[one].get("layer") == "weighted":
            problems.append(
                f"encoders.{modality}.{one}.layer: 'weighted' is learned, and a frozen encoder learns nothing; name a number"
            )
    if "chosen" in known:
        problems.append(f"encoders.{modality}.chosen: 'chosen' stands for the encoder that was chosen; rename it")
    return problems


def _steps_problems(encoders):
    """Feature sets whose steps are to be stored and which have none."""
    sets = [
        (f"encoders.{modality}.{name}", of) for modality, section in encoders.items() for name, of in section.items()
    ]
    return [
        f"{key}.sequences: '{of['features']}' makes one vector of a turn and has no steps; leave `sequences` out"
        for key, of in sets
        if "features" in of and of.get("sequences") and not kinds.defines(FEATURES, of["features"], "make_steps")
    ]


def _motion_problems(config):
    """Encoders of motion that read clips which the run does not cut."""
    return [
        f"encoders.motion.{name}.motion: 'clips' reads the video clips, and there is no video in fusion; name an encoder"
        " under fusion.video, or take 'capture'"
        for name, settings in config["encoders"].get("motion", {}).items()
        if settings["motion"] == "clips" and "video" not in config["fusion"]
    ]


def _validation_problems(config):
    """What asks for a validation part that there is not, or for one of another kind."""
    rule, problems = config["validation"]["rule"], []
    lists = [
        f"classifiers.{name}.{key}"
        for name, settings in config["classifiers"].items()
        for key, value in settings.items()
        if isinstance(value, list) and len(value) > 1
    ]
    if any_frozen(config) and len(config["probe"]["C"]) > 1:
        lists.append("probe.C")
    if rule in UNVALIDATED:
        without = f"with validation.rule '{rule}'"
        if config["final_system"] in systems.ON_VALIDATION:
            problems.append(
                f"final_system: {without} nothing can be chosen on validation; name a system, such as early-concat-svm"
            )
        if config["validation"]["refit"]:
            problems.append(f"validation.refit: {without} there is no validation part to train on anew")
        if train_vectors(config) != "in_sample":
            problems.append(
                f"train_vectors: '{config['train_vectors']}' needs a validation part, which there is not {without}; only"
                " in_sample goes without"
            )
        problems += [f"{key}: {without} nothing can be chosen on validation; name one value" for key in lists]
    if config["validation"]["refit"] and train_vectors(config) != "in_sample":
        problems.append(
            f"validation.refit: encoders trained anew have seen the validation part, so train_vectors:"
            f" '{config['train_vectors']}' would learn from vectors that are not clean; set one of the two otherwise"
        )
    for protocol in config["protocols"]:
        if not constant(protocol, "ANY_RULE") and rule != "previous_session":
            problems.append(
                f"protocols: '{protocol}' has a validation part of its own; set validation.rule: previous_session"
            )
    return problems


def _patience_problems(config):
    """Encoders of the run whose `patience` could end no training."""
    problems = []
    for modality, names in candidates(config).items():
        for name, settings in config["encoders"].get(modality, {}).items():
            key = f"encoders.{modality}.{name}.patience"
            if name not in names or settings.get("patience") is None:
                continue
            if config["validation"]["rule"] == "none":
                problems.append(f"{key}: with validation.rule 'none' no epoch can be the best; set it to null")
            elif settings["patience"] > settings["epochs"] - 2:
                problems.append(
                    f"{key}: the first of {settings['epochs']} epochs and {settings['patience']} more are all of them, so no"
                    " training would end earlier; lower it, or set it to null"
                )
    return problems


def _context_problems(config):
    """Encoders of the run whose `context` holds no turn."""
    return [
        f"encoders.text.{name}.context: it names no turn before and none after; set it to null, or one of them above 0"
        for name, settings in config["encoders"].get("text", {}).items()
        if name in candidates(config).get("text", [])
        and (context := settings.get("context"))
        and not any(context.values())
    ]


def check_local_models(config, made):
    """Raise EmofuseError for encoders of the run whose files are not there; folders in `made` are made later."""
    problems = []
    for modality, name in [(m, name) for m, names in candidates(config).items() for name in names]:
        settings, key = config["encoders"][modality][name], f"encoders.{modality}.{name}"
        if "vectors" in settings:
            problems += _vectors_problems(Path(settings["vectors"]), f"{key}.vectors")
        elif "model" in settings and settings["model"] not in made:
            problems += _model_problems(settings, key)
    if problems:
        raise EmofuseError("encoders cannot be used:\n" + listing(problems))


def _model_problems(settings, key):
    """What is wrong with the local folder of an encoder, if it is one."""
    model = settings["model"]
    if not Path(model).is_dir():
        return [
            f"{key}.model: {model}: no such folder (it should hold config.json, model.safetensors"
            " and the processor's files); put it there, or name a Hub id"
        ] * is_path(model)
    files = sorted(Path(model).iterdir())
    refuse_future(files)
    if is_frozen(settings) and (Path(model) / "training.json").exists():
        return [
            f"{key}.frozen: {model} is an encoder that emofuse has fine-tuned, so its vectors know labels; name the pretrained"
            " one that it came from"
        ]
    return placeholders({f"{key}.model": next((path for path in files if PLACEHOLDER.search(path.name)), model)})


def _vectors_problems(path, key):
    """What is wrong with the file or folder of vectors that were made elsewhere, as far as it is seen without reading it."""
    if path.is_dir():
        files = sorted(path.rglob("*.npy"))
        if not files:
            return [f"{key}: the folder {path} holds no <turn_id>.npy"]
    elif path.suffix not in FORMATS:
        return [f"{key}: {path} is neither a folder nor a file that ends in {', '.join(FORMATS)}"]
    elif not path.is_file():
        return [f"{key}: {path}: no such file"]
    else:
        files = [path]
    refuse_future(files)
    return placeholders({key: next((file for file in files if PLACEHOLDER.search(file.name)), path)})
