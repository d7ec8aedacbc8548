"""Checks the config against its schema and against itself, with messages that name the key, the fault and the remedy."""

import datetime
import math
import re
from difflib import get_close_matches
from pathlib import Path

import jsonschema
import yaml

from emofuse.corpora.class_sets import CLASS_SETS
from emofuse.fusion import systems
from emofuse.runtime.disk import refuse_future
from emofuse.runtime.errors import EmofuseError, listing
from emofuse.splits.folds import UNVALIDATED, constant

# Folders beside the runs in results/<corpus.name>/.
RESERVED = {"benchmarks", "clips", "clips-full", "clips-partner", "index", "logs"}

LEAKS = {
    "encoder_on_test": "the encoder of a modality is chosen on the test part of the selection fold, which is also tested on",
    "epoch_on_test": "the epoch of every encoder of the folds is chosen on the fold's test part",
    "final_system_on_test": "the final system is chosen on the test parts that it is scored on",
}


# What Snakemake would replace in a path: {wildcards}, and <pathvars> as its own regular expression finds them.
PLACEHOLDER = re.compile(r"[{}]|<[a-z][a-z0-9_]*>")


def _is_integer(_, value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_, value):
    return _is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


# JSON's integers are 8.0 too, on which range() fails, and its numbers have no nan or infinity, but YAML's have.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    ),
)


def classes(config):
    """{class: sorted raw labels}, sorted by name, of a set that the config names or spells out."""
    named = config["classes"]
    spelt = CLASS_SETS[named] if isinstance(named, str) else named
    return {name: sorted(labels) for name, labels in sorted(spelt.items())}


def class_set(config):
    """The name of the set that the config's classes are, named or spelt out; '' for a user's own."""
    return next((name for name in CLASS_SETS if classes({"classes": name}) == classes(config)), "")


def drop_nulls(config):
    """Take out what a layered file sets to null: a modality of `fusion`, a classifier, an encoder; in place."""
    sections = [config.get("fusion"), config.get("classifiers")]
    if isinstance(config.get("encoders"), dict):
        sections += config["encoders"].values()
    for section in sections:
        if isinstance(section, dict):
            for key in [key for key, value in section.items() if value is None]:
                del section[key]


def labels(config):
    """{modality: what its encoder is called in the names of systems}: the encoder's name, or 'chosen'."""
    return {m: "chosen" if isinstance(value, dict) else value for m, value in config["fusion"].items()}


def candidates(config):
    """{modality: names of the encoders to train somewhere in the run}, in the order of the config."""
    if config["selection"]:
        return {modality: list(config["encoders"].get(modality, {})) for modality in config["fusion"]}
    return {modality: [name] for modality, name in config["fusion"].items()}


def leaks(config):
    """What the run chooses on test turns: those keys of LEAKS that apply, in their order."""
    applies = {
        "encoder_on_test": any(value == {"choose": "test"} for value in config["fusion"].values()),
        "epoch_on_test": config["validation"]["rule"] == "test",
        "final_system_on_test": config["final_system"] == "test",
    }
    return [name for name in LEAKS if applies[name]]


def refuse_repeated_keys(paths):
    """Raise EmofuseError for each key that stands twice in one section of a config file: YAML forgets the first in silence."""
    problems = []
    for path in paths:
        try:
            nodes = [yaml.compose(Path(path).read_text(encoding="utf-8"), yaml.SafeLoader)]
        except (yaml.YAMLError, UnicodeDecodeError, OSError):  # Snakemake has read it from where it was started
            continue
        while nodes:
            node = nodes.pop()
            if isinstance(node, yaml.SequenceNode):
                nodes += node.value
            elif isinstance(node, yaml.MappingNode):
                lines = {}
                for key, value in node.value:
                    line = key.start_mark.line + 1
                    name = key.value if isinstance(key, yaml.ScalarNode) else line
                    if name in lines:
                        problems.append(f"{path}:{line}: the key '{name}' stands in line {lines[name]} already")
                    lines[name] = line
                    nodes.append(value)
    if problems:
        raise EmofuseError("a config file says one thing twice:\n" + listing(sorted(problems)))


def check_config(config, schema):
    """Raise EmofuseError listing every key of `config` (nested dict) that the JSON schema file `schema` does not allow."""
    schema = yaml.load(Path(schema).read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    errors = sorted(_Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise EmofuseError("the config is not valid:\n" + listing(map(_explain, errors)))


def check_choices(config):
    """Raise EmofuseError for settings that are valid one by one but do not go together (config with its defaults set)."""
    problems = [f"{key}: none is left" for key in ("fusion", "classifiers") if not config[key]]
    problems += placeholders({f"corpus.{key}": config["corpus"][key] for key in ("root", "dialogs")})
    if config["run"] in RESERVED:
        problems.append(f"run: '{config['run']}' is a folder of the corpus; name the run otherwise")
    if config["figure_fold"] not in config["corpus"]["sessions"]:
        problems.append(f"figure_fold: session {config['figure_fold']} is not in corpus.sessions")
    made = systems.systems(labels(config), config["classifiers"], config["early_fusion"])
    names = [system.name for system in made]
    if config["final_system"] not in (*systems.ON_VALIDATION, "test", *names):
        proper = ", ".join(system.name for system in systems.candidates(made))
        hint = _nearest(config["final_system"], names) or f"such as {proper}"
        problems.append(f"final_system: this run makes no system '{config['final_system']}' ({hint})")
    for modality, name in config["fusion"].items():
        known = config["encoders"].get(modality, {})
        if isinstance(name, dict):
            if not config["selection"]:
                problems.append(
                    f"fusion.{modality}: {name} needs the comparison of encoders; set selection: {{fold: 5}}"
                )
            elif not known:
                problems.append(f"fusion.{modality}: {name}: there is no encoder under encoders.{modality}")
        elif name not in known:
            hint = _nearest(name, known) or f"known ones: {', '.join(sorted(known)) or 'none'}"
            problems.append(
                f"fusion.{modality}: there is no encoder '{name}' under encoders.{modality} ({hint}){_hint(name, 'null')}"
            )
        if "chosen" in known:
            problems.append(f"encoders.{modality}.chosen: 'chosen' stands for the encoder that was chosen; rename it")
    if config["selection"] and config["selection"]["fold"] not in config["corpus"]["sessions"]:
        problems.append(
            f"selection.fold: session {config['selection']['fold']} is not in corpus.sessions; name one, or set"
            " selection: null"
        )
    forbidden = [name for name in leaks(config) if name not in config["allow_leaks"]]
    problems += [f"allow_leaks: {LEAKS[name]}; allow it as '{name}', or change the setting" for name in forbidden]
    owner = {}
    for name, raw in classes(config).items():
        for label in raw:
            if label in owner:
                problems.append(f"classes: the label '{label}' is in both '{owner[label]}' and '{name}'")
            owner[label] = name
    problems += _validation_problems(config)
    few = len(config["corpus"]["sessions"]) < 3
    if few and config["validation"]["rule"] == "previous_session":
        problems.append("corpus.sessions: the rule previous_session needs at least three sessions (train, val, test)")
    elif few and config["selection"]:
        problems.append("corpus.sessions: the selection needs at least three sessions (train, val, test)")
    if problems:
        raise EmofuseError("the config does not fit together:\n" + listing(problems))


def _validation_problems(config):
    """What asks for a validation part that there is not, or for one of another kind."""
    rule, problems = config["validation"]["rule"], []
    lists = [
        f"classifiers.{name}.{key}"
        for name, settings in config["classifiers"].items()
        for key, value in settings.items()
        if isinstance(value, list) and len(value) > 1
    ]
    if rule in UNVALIDATED:
        without = f"with validation.rule '{rule}'"
        if config["final_system"] in systems.ON_VALIDATION:
            problems.append(
                f"final_system: {without} nothing can be chosen on validation; name a system, such as early-concat-svm"
            )
        if config["validation"]["refit"]:
            problems.append(f"validation.refit: {without} there is no validation part to train on anew")
        if config["train_vectors"] != "in_sample":
            problems.append(
                f"train_vectors: '{config['train_vectors']}' needs a validation part, which there is not {without}; only"
                " in_sample goes without"
            )
        problems += [f"{key}: {without} nothing can be chosen on validation; name one value" for key in lists]
    if config["validation"]["refit"] and config["train_vectors"] != "in_sample":
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


def placeholders(paths):
    """A line for each of some paths, {config key: path or None}, in which Snakemake would take a part for a placeholder.

    It has no way to write such a path otherwise.
    """
    return [
        f"{key}: {path}: Snakemake takes {PLACEHOLDER.search(str(path))[0]} in a path for a placeholder; make a link to it"
        " whose path has no braces or angle brackets (ln -s) and name that"
        for key, path in paths.items()
        if path is not None and PLACEHOLDER.search(str(path))
    ]


def require_plain(key, path):
    """Raise EmofuseError if Snakemake would take a part of a path, the value of a config key, for a placeholder."""
    if problems := placeholders({key: path}):
        raise EmofuseError(problems[0])


def require_plain_folder(project, resources):
    """Raise EmofuseError where Snakemake cannot find the scripts of the project in its folder, or the files of its resources.

    It looks for placeholders in the absolute path of a script, and in the path of a file as it is given.
    """
    if re.search("[{}]", str(project)) or PLACEHOLDER.search(str(resources)):
        raise EmofuseError(
            f"the project lies in {project}: Snakemake takes what stands there in braces or angle brackets for placeholders;"
            " move the project to a folder without them"
        )


def check_local_models(config, made):
    """Raise EmofuseError for encoders of the run whose `model` is a path to no folder; those in `made` are made later."""
    problems = []
    for modality, name in [(m, name) for m, names in candidates(config).items() for name in names]:
        model = config["encoders"][modality][name]["model"]
        key = f"encoders.{modality}.{name}.model"
        if is_path(model) and model not in made and not Path(model).is_dir():
            problems.append(
                f"{key}: {model}: no such folder (it should hold config.json, model.safetensors"
                " and the processor's files); put it there, or name a Hub id"
            )
        elif Path(model).is_dir() and model not in made:
            files = sorted(Path(model).iterdir())
            problems += placeholders({key: next((path for path in files if PLACEHOLDER.search(path.name)), model)})
            refuse_future(files)
    if problems:
        raise EmofuseError("encoders cannot be used:\n" + listing(problems))


def is_path(model):
    """Whether a `model` is a local folder and no Hub id: it starts with `.`, `/` or `~`, or has more than one `/`."""
    return model[0] in "./~" or model.count("/") > 1


def _explain(error):
    """One line for one jsonschema error."""
    where = ".".join(map(str, error.absolute_path)) or "top level"
    value, shown = error.instance, _shown(error.instance)
    if error.validator == "oneOf":  # what is wrong with it within the alternative that it is of a kind with
        inner = [
            fault
            for fault in error.context
            if fault.path or "propertyNames" in fault.schema_path or fault.validator not in ("type", "const")
        ]
        if inner and not (isinstance(value, str) and inner[0].validator == "pattern"):
            return _explain(inner[0])
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = sorted(set(value) - set(known), key=str)
        hints = [
            f"{_shown(str(key))} ({_nearest(key, known) or 'known ones: ' + ', '.join(known)}){_hint(key, 'string')}"
            for key in unknown
        ]
        return f"{where}: unknown key {', '.join(hints)}"
    if error.validator == "pattern" and not value.isprintable():
        return f"{where}: {shown} holds a character that cannot be printed"
    if error.validator == "pattern":
        return f"{where}: {shown} is not allowed here ({error.schema.get('description', error.message)})"
    if (
        error.validator in ("type", "oneOf")
        and isinstance(value, str)
        and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value)
    ):
        mantissa, exponent = re.split("[eE]", value)
        mended = (
            f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent if exponent[0] in '+-' else '+' + exponent}"
        )
        return f"{where}: YAML reads {value} as text, not as a number; write {mended}"
    if error.validator == "type":
        wanted = error.validator_value
        wanted = wanted if isinstance(wanted, str) else " or ".join(wanted)
        return f"{where}: {shown} is not of type {wanted}{_hint(value, wanted)}"
    if error.validator == "enum":
        allowed = ", ".join(map(str, error.validator_value))
        return f"{where}: {shown} is none of {allowed}{_hint(value, 'string')}"
    if error.validator == "oneOf":
        choices = [choice.get("const", choice.get("type")) for choice in error.validator_value]
        described = {None, "object"} & set(choices)
        allowed = error.schema["description"] if described else ", ".join(choices).replace("array", "a list of these")
        return f"{where}: {shown} is none of: {allowed}{_hint(value, 'string' if described else 'number')}"
    if error.validator == "minItems":
        return f"{where}: at least {error.validator_value} must be named"
    if error.validator in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        bound = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
        return f"{where}: {shown} must be {bound[error.validator]} {error.validator_value}"
    return f"{where}: {_shorten(error.message)}"


def _hint(value, wanted):
    """What YAML, or Snakemake's --config, made of a value that was meant otherwise; '' where that is not to be seen."""
    if isinstance(value, str):
        try:
            reading = yaml.safe_load(value) if wanted != "string" and len(value) < 100 else value
        except (yaml.YAMLError, ValueError, RecursionError):
            reading = value
        if not isinstance(reading, str):
            return " (--config reads what stands in braces as text; put it into a file for --configfile)"
    elif "string" in wanted and not isinstance(value, dict | list | None):
        kinds = {bool: "true or false", int: "a number", float: "a number", datetime.date: "a date"}
        kind = next((name for kind, name in kinds.items() if isinstance(value, kind)), None)
        return f" (YAML reads it as {kind}; if it is meant as text, put it in quotes)" if kind else ""
    elif wanted == "integer" and isinstance(value, float) and value.is_integer():
        return f" (write {value:.0f})"
    return ""


def _shown(value):
    """A value as it stands in a message."""
    return _shorten(f"'{value}'" if isinstance(value, str) and value.isprintable() else repr(value))


def _shorten(text, most=200):
    return text if len(text) <= most else f"{text[:most]}..."


def _nearest(key, known):
    """'did you mean ...' for the known key most like `key`, or '' where none is."""
    match = get_close_matches(str(key), list(map(str, known)), n=1)
    return f"did you mean '{match[0]}'?" if match else ""
