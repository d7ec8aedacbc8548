"""Checks the config against its schema and against itself, with messages that name the key, the fault and the remedy."""

import re
from difflib import get_close_matches
from pathlib import Path

import jsonschema
import yaml

from emofuse import systems
from emofuse.errors import EmofuseError, listing

# Folders beside the runs in results/<corpus.name>/.
RESERVED = {"benchmarks", "clips", "clips-full", "clips-partner", "index", "logs"}


def check_config(config, schema):
    """Raise EmofuseError listing every key of `config` (nested dict) that the JSON schema file `schema` does not allow."""
    schema = yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(config), key=lambda e: list(map(str, e.path)))
    if errors:
        raise EmofuseError("the config is not valid:\n" + listing(map(_explain, errors)))


def check_choices(config):
    """Raise EmofuseError for settings that are valid one by one but do not go together (config with its defaults set)."""
    problems = [f"{key}: none is left" for key in ("fusion", "classifiers") if not config[key]]
    if config["run"] in RESERVED:
        problems.append(f"run: '{config['run']}' is a folder of the corpus; name the run otherwise")
    if config["figure_fold"] not in config["corpus"]["sessions"]:
        problems.append(f"figure_fold: session {config['figure_fold']} is not in corpus.sessions")
    names = [s.name for s in systems.systems(config["fusion"], config["classifiers"], config["early_fusion"])]
    if config["final_system"] != "validation" and config["final_system"] not in names:
        hint = _nearest(config["final_system"], names) or f"known ones: {', '.join(names)}"
        problems.append(f"final_system: this run makes no system '{config['final_system']}' ({hint})")
    for modality, name in config["fusion"].items():
        known = config["encoders"].get(modality, {})
        if name not in known:
            hint = _nearest(name, known) or f"known ones: {', '.join(sorted(known)) or 'none'}"
            problems.append(f"fusion.{modality}: there is no encoder '{name}' under encoders.{modality} ({hint})")
    owner = {}
    for name, labels in config["classes"].items():
        for label in labels:
            if label in owner:
                problems.append(f"classes: the label '{label}' is in both '{owner[label]}' and '{name}'")
            owner[label] = name
    if config["validation"]["rule"] == "none" and config["final_system"] == "validation":
        problems.append(
            "final_system: with validation.rule 'none' nothing can be chosen on validation; name a system, such as"
            " early-concat-svm"
        )
    if config["validation"]["rule"] == "none" and config["validation"]["refit"]:
        problems.append("validation.refit: with validation.rule 'none' there is no validation part to train on anew")
    if len(config["corpus"]["sessions"]) < 3 and config["validation"]["rule"] == "previous_session":
        problems.append("corpus.sessions: the rule previous_session needs at least three sessions (train, val, test)")
    if problems:
        raise EmofuseError("the config does not fit together:\n" + listing(problems))


def check_local_models(config, made):
    """Raise EmofuseError for encoders of the run whose `model` is a path to no folder; those in `made` are made later.

    A path starts with `.`, `/` or `~`, or has more than one `/`; all else is a Hub id and is looked up when it is loaded.
    """
    problems = []
    for modality, name in config["fusion"].items():
        model = config["encoders"][modality][name]["model"]
        is_path = model[0] in "./~" or model.count("/") > 1
        if is_path and model not in made and not Path(model).is_dir():
            problems.append(
                f"encoders.{modality}.{name}.model: {model}: no such folder (it should hold config.json, model.safetensors"
                " and the processor's files); put it there, or name a Hub id"
            )
    if problems:
        raise EmofuseError("encoders are missing:\n" + listing(problems))


def _explain(error):
    """One line for one jsonschema error."""
    where = ".".join(map(str, error.path)) or "top level"
    value = error.instance
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = sorted(set(value) - set(known))
        hints = [f"'{key}' ({_nearest(key, known) or 'known ones: ' + ', '.join(known)})" for key in unknown]
        return f"{where}: unknown key {', '.join(hints)}"
    if error.validator == "pattern":
        return f"{where}: '{value}' is not allowed here ({error.schema.get('description', error.message)})"
    if error.validator == "type" and isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value):
        mantissa, exponent = re.split("[eE]", value)
        mended = (
            f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent if exponent[0] in '+-' else '+' + exponent}"
        )
        return f"{where}: YAML reads {value} as text, not as a number; write {mended}"
    if error.validator == "type":
        hint = " (--config reads what stands in braces as text; put it into a file for --configfile)"
        wanted = error.validator_value
        return (
            f"{where}: {value!r} is not of type {wanted}{hint if isinstance(value, str) and wanted != 'object' else ''}"
        )
    if error.validator == "enum":
        return f"{where}: {value!r} is none of {', '.join(map(str, error.validator_value))}"
    if error.validator in {"anyOf", "oneOf"}:
        choices = [c.get("const", c.get("type", "a name")) for c in error.validator_value]
        return f"{where}: {value!r} is none of: {', '.join(choices)}"
    if error.validator == "minItems":
        return f"{where}: at least {error.validator_value} must be named"
    return f"{where}: {error.message}"


def _nearest(key, known):
    """'did you mean ...' for the known key most like `key`, or '' where none is."""
    match = get_close_matches(str(key), list(map(str, known)), n=1)
    return f"did you mean '{match[0]}'?" if match else ""
