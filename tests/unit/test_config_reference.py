"""config/README.md explains every key of the config, in the words and with the defaults of the schema."""

import re
from pathlib import Path

import pytest
import yaml

from emofuse.configuration import reference
from emofuse.configuration.schema import check_config, load_schema
from emofuse.runtime.errors import EmofuseError

ROOT = Path(__file__).parents[2]
SCHEMA = load_schema(ROOT / "workflow/schemas/config.schema.yaml")
README = (ROOT / "config/README.md").read_text(encoding="utf-8")


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_tables_are_those_of_the_schema():
    assert reference.readme(ROOT) == README, "config/README.md is stale: run `make config-docs`"


def entries(section, path):
    """(place, entry) of all keys of a section of the schema, as they stand there."""
    for key, entry in section.get("properties", {}).items():
        yield f"{path}{key}", entry
        yield from entries(entry, f"{path}{key}.")


def test_every_key_has_a_meaning_of_its_own():
    schema = SCHEMA
    found = dict(entries(schema, ""))
    for name, definition in schema["$defs"].items():
        found |= entries(definition, f"{name}: ")
    assert len(found) > 70
    lacking = [key for key, entry in found.items() if not entry.get("description")]
    assert lacking == [], (
        "say what these keys mean: each needs a `description` in the schema, beside its $ref if it has one"
    )
    broken = [key for key, entry in found.items() if "\n" in entry["description"]]
    assert broken == [], "a description is one paragraph (>-), for a cell of a table"


def paths(value, place=""):
    """Dotted keys of a config; the modality of a choice, and `classes`, are the last, as in the tables."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield f"{place}{key}"
        if place != "fusion." and key != "classes":  # whose names are the user's
            yield from paths(inner, f"{place}{key}.")


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_every_key_of_the_shipped_configs_is_in_the_tables(file):
    texts = re.split("## An encoder|## A system", README)
    told = [set(re.findall("`([^`]+)`", "".join(re.findall(r"^\| (.+?) \|", text, re.M)))) for text in texts]
    for path in paths(read(file)):
        encoder = re.fullmatch(r"encoders\.(\w+)(?:\.[^.]+(?:\.(.+))?)?", path)
        system = re.fullmatch(r"systems(?:\.[^.]+(?:\.(.+))?)?", path)
        if system:
            assert system[1] in told[2] if system[1] else "systems.<name>" in told[0], path
        elif not encoder:
            assert path in told[0], path
        elif encoder[2]:
            assert encoder[2] in told[1], path
        else:
            assert f"encoders.{encoder[1]}.<name>" in told[0], path


def test_a_row_names_words_defaults_and_what_the_shipped_config_has():
    schema = {
        "required": ["a"],
        "properties": {
            "a": {"$ref": "#/$defs/word", "description": "A."},
            "b": {"enum": ["x", "y"], "default": "x", "description": "Not `x`."},
            "c": {"enum": ["x"], "default": "x", "description": "Only `x`, a | b."},
            "d": {"properties": {key: {"description": "Same."} for key in "ef"}, "default": {"e": 1, "f": 0.1}}
            | {"description": "D."},
            "encoders": {"properties": {}, "default": {}, "description": "E."},
            "fusion": {"properties": {}, "default": {}, "description": "F."},
            "systems": {"additionalProperties": {}, "default": {}, "description": "S."},
        },
        "$defs": {"word": {"type": "string", "description": "a word"}},
    }
    rows = reference.tables(schema, {"a": "me", "d": {"e": 1}}).splitlines()[2:7]
    assert rows == [
        "| `a` | required | A. In config.yaml: `me`. |",
        "| `b` | `x` | Not `x`. One of `x`, `y`. |",
        "| `c` | `x` | Only `x`, a \\| b. |",
        "| `d` |  | D. |",
        "| `d.e`, `d.f` | `1`, `0.1` | Same. |",
    ]


@pytest.mark.parametrize(
    "wrong", [{"run": "../x"}, {"classes": "for"}, {"fusion": {"text": 3}}, {"corpus": {"root": 3}}]
)
def test_a_message_takes_a_sentence_and_no_paragraph(wrong):
    with pytest.raises(EmofuseError) as caught:
        check_config({"run": "x", "corpus": {"name": "x"}} | wrong, SCHEMA)
    assert max(map(len, str(caught.value).splitlines())) < 250
