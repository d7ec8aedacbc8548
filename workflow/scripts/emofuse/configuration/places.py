"""Finds the file and the line in which a key of the config stands, for messages about it."""

import os
import re
from pathlib import Path

import yaml

# A line of a message that begins with a key: 'corpus.root: ...', '  top level: unknown key 'x' ...'.
KEY = re.compile(r"^ *(?P<key>top level|[\w-]+(?:\.[\w-]+)*): (?:unknown key '(?P<unknown>[^']+)')?")
COMMAND_LINE = "--config"


def placed(message, files, given):
    """The message, with ' (file:line)' behind each line that begins with a key that stands in one of the config's files.

    files: those that the config was read from, each layered over those before. given: what --config says, a nested dict.
    Of a key that stands nowhere, a default, it is the place of the section that it would be in.
    """
    places = {}
    for path in files:
        places |= _places_of(path)
    places |= dict.fromkeys(_keys(given), COMMAND_LINE)
    return "\n".join(_with_place(line, places) for line in message.split("\n"))


def _with_place(line, places):
    match = KEY.match(line)
    if not match:
        return line
    names = () if match["key"] == "top level" else tuple(match["key"].split("."))
    names += (match["unknown"],) if match["unknown"] else ()
    while names and names not in places:
        names = names[:-1]
    return f"{line} ({places[names]})" if names else line


def _places_of(path):
    """{keys from the top: 'path:line'} of a YAML (or JSON) file; empty where it cannot be read, which others tell."""
    shown = min(str(path), os.path.relpath(path), key=len)
    return {
        (*names, key.value): f"{shown}:{key.start_mark.line + 1}"
        for names, keys in sections(path)
        for key in keys
        if isinstance(key, yaml.ScalarNode) and None not in names
    }


def sections(path):
    """Yield (its keys from the top, the YAML nodes of its own keys) of each section of a YAML (or JSON) file; among the keys
    from the top None stands for what has no name, an item of a list. Nothing of a file that cannot be read, which others tell.
    """
    try:
        nodes = [((), yaml.compose(Path(path).read_text(encoding="utf-8"), yaml.SafeLoader))]
    except (yaml.YAMLError, UnicodeDecodeError, OSError):
        return
    while nodes:
        names, node = nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            nodes += [((*names, None), item) for item in node.value]
        elif isinstance(node, yaml.MappingNode):
            yield names, [key for key, _ in node.value]
            nodes += [((*names, getattr(key, "value", None)), value) for key, value in node.value]


def _keys(given):
    """All keys of a nested dict, each as a tuple from the top."""
    for name, value in given.items():
        yield (str(name),)
        if isinstance(value, dict):
            yield from ((str(name), *rest) for rest in _keys(value))
