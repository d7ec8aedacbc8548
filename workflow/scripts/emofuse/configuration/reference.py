"""The tables of config/README.md: every config key, its default and its meaning, made from the schema, which says them."""

from itertools import groupby

import yaml

from emofuse.configuration.schema import load_schema

BEGIN = "<!-- made from workflow/schemas/config.schema.yaml by make config-docs -->"
END = "<!-- end -->"
HEAD = ["| key | default | meaning |", "|---|---|---|"]


def readme(root):
    """The text of config/README.md in the project's folder `root`, with the tables between its markers made anew."""
    text = (root / "config/README.md").read_text(encoding="utf-8")
    shipped = yaml.safe_load((root / "config/config.yaml").read_text(encoding="utf-8"))
    before, rest = text.split(BEGIN)
    made = tables(load_schema(root / "workflow/schemas/config.schema.yaml"), shipped)
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.split(END, 1)[1]}"


def tables(schema, shipped):
    """The tables in Markdown. `shipped`: the shipped config, whose values are named where they are not the defaults."""
    keys = _rows(keys_of(schema, schema["$defs"], shipped))
    encoder, system = _rows(encoder_keys(schema)), _rows(system_keys(schema))
    return "\n".join([*HEAD, *keys, "", "## An encoder", "", *HEAD, *encoder, "", "## A system", "", *HEAD, *system])


def keys_of(section, definitions, shipped, defaults=None, path=""):
    """(dotted key, its default, its meaning), in Markdown, of each key of a section and of the sections within it.

    `shipped` and `defaults` are what the shipped config and the schema have for the section as a whole.
    """
    for name, entry in section.get("properties", {}).items():
        entry = _resolved(entry, definitions)
        default = entry.get("default", (defaults or {}).get(name, ...))
        value = shipped.get(name, default)
        meaning = entry["description"] + _unnamed_words(entry)
        named_by_user = isinstance(entry.get("additionalProperties"), dict)  # the keys of `encoders.text` are
        told_below = default is not None and (named_by_user or "properties" in entry)
        if value != default and not told_below:
            meaning, value = f"{meaning} In config.yaml: {_as_yaml(value)}.", {}
        required = default is ... and name in section.get("required", [])
        shown = "required" if required else "" if told_below else _as_yaml(default)
        if name in section.get("else", {}).get("required", []):
            shown = "required, unless `frozen`"
        yield f"`{path}{name}{'.<name>' if named_by_user else ''}`", shown, meaning
        below = [part if isinstance(part, dict) else {} for part in (value, default)]
        yield from keys_of(entry, definitions, *below, f"{path}{name}.")


def encoder_keys(schema):
    """The same of an encoder's keys: first those of all modalities that are fused; others are marked with theirs."""
    modalities, fused = (schema["properties"][key]["properties"] for key in ("encoders", "fusion"))
    having = {}
    for modality, entry in modalities.items():
        for encoder in _alternatives(entry["additionalProperties"], schema["$defs"]):
            for key in keys_of(encoder, schema["$defs"], {}):
                having.setdefault(key, {})[modality] = None
    for (key, default, meaning), those in sorted(having.items(), key=lambda item: -len(item[1])):
        yield key if fused.keys() <= those.keys() else f"{key} ({', '.join(those)})", default, meaning


def system_keys(schema):
    """The same of a named system's keys; those of some kinds alone are marked with them, and so are their own defaults."""
    having, known = {}, []
    entry = schema["properties"]["systems"]["additionalProperties"]
    while "then" in entry:
        known.append(entry["if"]["properties"]["kind"]["const"])
        for key, default, meaning in keys_of(entry["then"], schema["$defs"], {}):
            having.setdefault((key, meaning), {}).setdefault(default, []).append(known[-1])
        entry = entry["else"]
    for (key, meaning), defaults in sorted(having.items(), key=lambda item: -sum(map(len, item[1].values()))):
        those = [kind for kind in known if any(kind in of for of in defaults.values())]
        shown = [f"{default} ({', '.join(of)})" for default, of in defaults.items()] if len(defaults) > 1 else defaults
        yield key if len(those) == len(known) else f"{key} ({', '.join(those)})", ", ".join(shown), meaning


def _alternatives(entry, definitions):
    """The schemas of which one holds for an entry, by what it has."""
    entry = _resolved(entry, definitions)
    if "properties" in entry:
        return [entry]
    return [found for case in (entry["else"], entry["then"]) for found in _alternatives(case, definitions)]


def _rows(keys):
    """Rows of a table; neighbours that mean the same share one."""
    for meaning, same in groupby(keys, key=lambda key: key[2]):
        names, defaults, _ = zip(*same, strict=True)
        cells = (", ".join(names), ", ".join(dict.fromkeys(defaults)), meaning)
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _resolved(entry, definitions):
    """A schema's entry together with what its $ref points to."""
    target = definitions[entry["$ref"].removeprefix("#/$defs/")] if "$ref" in entry else {}
    return {**target, **entry}


def _unnamed_words(entry):
    """A sentence with the words that are allowed, unless the description names them all."""
    words = [*entry.get("enum", []), *entry.get("items", {}).get("enum", [])]
    words += [choice["const"] for choice in entry.get("oneOf", []) if "const" in choice]
    if all(f"`{word}`" in entry["description"] for word in words):
        return ""
    return f" {'Some' if 'items' in entry else 'One'} of {', '.join(f'`{word}`' for word in words)}."


def _as_yaml(value):
    """A value as it stands in a config; '' where there is none (...)."""
    if value is ...:
        return ""
    return f"`{yaml.safe_dump([value], default_flow_style=True, sort_keys=False, width=1000).strip()[1:-1]}`"
