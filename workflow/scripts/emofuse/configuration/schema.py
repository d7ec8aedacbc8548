"""Checks the config against its schema, with messages that name the key, the fault and the remedy, and fills in defaults."""

import datetime
import math
import re
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path

import jsonschema
import yaml

from emofuse.configuration.places import sections
from emofuse.runtime import kinds
from emofuse.runtime.errors import EmofuseError, listing


def _is_integer(_, value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_, value):
    return _is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


def _set_defaults(validator, properties, instance, schema):
    """As jsonschema's own documentation does it: a key that is not there gets the schema's default."""
    if isinstance(instance, dict):
        for name, entry in properties.items():
            if "default" in entry:
                instance.setdefault(name, deepcopy(entry["default"]))
    yield from jsonschema.Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, schema)


# JSON's integers are 8.0 too, on which range() fails, and its numbers have no nan or infinity, but YAML's have.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    ),
)
_Filler = jsonschema.validators.extend(_Validator, {"properties": _set_defaults})


def load_schema(path):
    """The schema of the config, a dict, with what the package's kinds of things bring into it.

    Where the file says `enum_of: <kind>` the names of that kind's things are allowed; where it says `settings_of: <kind>`
    there is a section for each, with what its file calls SETTINGS: JSON schemas by key, each with a `default` and a
    `description`, and `listed: True` where a list of values may stand to be chosen from. Where it says `entries_of: <kind>`
    an entry names its `kind`, and beside those settings it has the `common` ones, and of what is trained in epochs (its file
    has TRAINS, the defaults) the `trained` ones.
    """
    schema = yaml.load(Path(path).read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    nodes = [schema]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            if "enum_of" in node:
                node["enum"] = list(kinds.constants(node.pop("enum_of")))
            if "also" in node:
                node["enum"] += kinds.constants(node.pop("also"))
            if "settings_of" in node:
                things = kinds.constants(node.pop("settings_of"))
                node["properties"] = {name: _section(constants) for name, constants in things.items()}
            if "entries_of" in node:
                things = kinds.constants(node.pop("entries_of"))
                node |= _entry(things, node.pop("common"), node.pop("trained"))
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node
    return schema


def _section(constants):
    return {
        "type": "object",
        "additionalProperties": False,
        "description": constants["SENTENCE"],
        "properties": {name: _setting(dict(setting)) for name, setting in constants["SETTINGS"].items()},
    }


def _entry(things, common, trained):
    """The schema of an entry that is of one of some kinds of things."""
    kind = {"enum": list(things), "description": " ".join(f"`{n}`: {of['SENTENCE']}" for n, of in things.items())}
    entry = {"required": ["kind"], "type": "object", "properties": {"kind": kind}}
    for name, constants in reversed(things.items()):
        section = _section(constants)
        settings = common | {"kind": kind} | section["properties"]
        defaults = constants.get("TRAINS")
        if defaults:
            settings |= {
                key: of | ({"default": defaults[key]} if key in defaults else {}) for key, of in trained.items()
            }
        test = {"type": "object", "required": ["kind"], "properties": {"kind": {"const": name}}}
        entry = {"if": test, "then": section | {"required": ["kind"], "properties": settings}, "else": entry}
    return entry


def _setting(setting):
    if not setting.pop("listed", False):
        return setting
    told = {"default": setting.pop("default"), "description": f"{setting.pop('description')} May be a list."}
    several = {"type": "array", "minItems": 1, "uniqueItems": True, "items": setting}
    return {"oneOf": [*setting.get("oneOf", [setting]), several], **told}


def drop_nulls(config):
    """Take out what a layered file sets to null: a modality of `fusion`, a class, a classifier, an encoder; in place."""
    sections = [config.get("fusion"), config.get("classes"), config.get("classifiers")]
    if isinstance(config.get("encoders"), dict):
        sections += config["encoders"].values()
    for section in sections:
        if isinstance(section, dict):
            for key in [key for key, value in section.items() if value is None]:
                del section[key]


def refuse_repeated_keys(paths):
    """Raise EmofuseError for each key that stands twice in one section of a config file: YAML forgets the first in silence."""
    problems = []
    for path in paths:
        for _, keys in sections(path):
            lines = {}
            for key in keys:
                line = key.start_mark.line + 1
                name = key.value if isinstance(key, yaml.ScalarNode) else line
                if name in lines:
                    problems.append(f"{path}:{line}: the key '{name}' stands in line {lines[name]} already")
                lines[name] = line
    if problems:
        raise EmofuseError("a config file says one thing twice:\n" + listing(sorted(problems)))


def check_config(config, schema):
    """Fill the defaults of a JSON schema (a dict) into `config` (nested dict), in place.

    Raises EmofuseError listing every key that the schema does not allow.
    """
    errors = sorted(_Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise EmofuseError("the config is not valid:\n" + listing(map(_explain, errors)))
    _Filler(schema).validate(config)


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
            f"{_shown(str(key))} ({nearest(key, known) or 'known ones: ' + ', '.join(known)}){hint(key, 'string')}"
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
        return f"{where}: {shown} is not of type {wanted}{hint(value, wanted)}"
    if error.validator == "enum":
        allowed = ", ".join(map(str, error.validator_value))
        return f"{where}: {shown} is none of {allowed}{hint(value, 'string')}"
    if error.validator == "oneOf":
        choices = [choice.get("const", choice.get("type")) for choice in error.validator_value]
        described = {None, "object"} & set(choices)
        allowed = error.schema["description"] if described else ", ".join(choices).replace("array", "a list of these")
        return f"{where}: {shown} is none of: {allowed}{hint(value, 'string' if described else 'number')}"
    if error.validator == "minItems":
        return f"{where}: at least {error.validator_value} must be named"
    if error.validator in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        bound = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
        return f"{where}: {shown} must be {bound[error.validator]} {error.validator_value}"
    return f"{where}: {_shorten(error.message)}"


def hint(value, wanted):
    """What YAML, or Snakemake's --config, made of a value that was meant otherwise; '' where that is not to be seen."""
    if isinstance(value, str):
        try:
            reading = yaml.safe_load(value) if wanted != "string" and len(value) < 100 else value
        except (yaml.YAMLError, ValueError, RecursionError):
            reading = value
        if not isinstance(reading, str):
            return " (--config reads what stands in braces as text; put it into a file for --configfile)"
    elif "string" in wanted and not isinstance(value, dict | list | None):
        readings = {bool: "true or false", int: "a number", float: "a number", datetime.date: "a date"}
        reading = next((name for of, name in readings.items() if isinstance(value, of)), None)
        return f" (YAML reads it as {reading}; if it is meant as text, put it in quotes)" if reading else ""
    elif wanted == "integer" and isinstance(value, float) and value.is_integer():
        return f" (write {value:.0f})"
    return ""


def _shown(value):
    """A value as it stands in a message."""
    return _shorten(f"'{value}'" if isinstance(value, str) and value.isprintable() else repr(value))


def _shorten(text, most=200):
    return text if len(text) <= most else f"{text[:most]}..."


def nearest(key, known):
    """'did you mean ...' for the known key most like `key`, or '' where none is."""
    match = get_close_matches(str(key), list(map(str, known)), n=1)
    return f"did you mean '{match[0]}'?" if match else ""
