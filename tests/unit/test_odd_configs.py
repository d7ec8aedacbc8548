"""Whatever a config holds, it is either usable or refused with a message: no config gives a traceback."""

import copy
import datetime
import os
from pathlib import Path

import numpy as np
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emofuse.configuration.choices import check_choices, check_local_models
from emofuse.configuration.meaning import candidates, classes, leaks
from emofuse.configuration.schema import check_config, drop_nulls, load_schema
from emofuse.runtime.errors import EmofuseError

ROOT = Path(__file__).parents[2]
SCHEMA = load_schema(ROOT / "workflow/schemas/config.schema.yaml")
BASE = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))


def places(value, path=()):
    """Paths of all keys and list items of a nested config."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


WORDS = ["null", "on", "1e-5", "session", "validation", "test", "../x", "a\nb", "{x}", "four", "chosen", "bert", "x\0"]
NUMBERS = [0, 1, -1, 2**32, 2**63, 10**400, 0.5, 8.0, float("nan"), float("inf"), 1e-300]
SCALARS = st.one_of(
    st.sampled_from(
        [None, True, False, b"x", datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1), *NUMBERS, *WORDS]
    ),
    st.text(max_size=8),
    st.integers(),
)
ODD_KEYS = [True, 1, 1.5, None, datetime.date(2026, 1, 1), "run", "on", "bert", "sum"]
KEYS = st.one_of(st.sampled_from(ODD_KEYS), st.text(max_size=5))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
CHANGES = st.lists(
    st.tuples(st.sampled_from([(), *places(BASE)]), st.sampled_from(["set", "add", "delete"]), KEYS, VALUES),
    min_size=1,
    max_size=3,
)


def changed(config, path, what, key, value):
    """Set, add to or delete the place `path` of a nested config, where it is still there."""
    if not path:
        return config | {key: value} if what == "add" else config
    for step in path[:-1]:
        config = config[step]
    if what == "set":
        config[path[-1]] = value
    elif what == "delete":
        del config[path[-1]]
    elif isinstance(config[path[-1]], dict):
        config[path[-1]][key] = value
    return config


EXAMPLES = int(os.environ.get("EXAMPLES", "150"))  # thousands of them take minutes


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(CHANGES)
def test_a_changed_config_is_usable_or_refused_with_a_message(changes):
    config = copy.deepcopy(BASE)
    for path, what, key, value in changes:
        try:
            found = changed(config, path, what, key, copy.deepcopy(value))
        except (KeyError, IndexError, TypeError):  # an earlier change took the place away
            continue
        config = found if not path else config
    try:  # what common.smk does
        drop_nulls(config)
        check_config(config, SCHEMA)
        check_choices(config)
        check_local_models(config, {})
    except (EmofuseError, OSError) as error:
        assert str(error).count("\n") < 40 and len(str(error)) < 20_000
    else:
        used(config)


def used(config):
    """What rules make of a config that was not refused: numbers that the libraries take, names that can name files."""
    for seed in config["seeds"]:
        np.random.RandomState(seed)
    for number in (config["training"]["threads"], config["classifier_threads"]):
        range(number)
    for name in (config["run"], config["corpus"]["name"], *classes(config)):
        assert name == Path(name).name and len(name) <= 60 and name.isprintable()
    assert leaks(config) is not None and candidates(config)
