"""Refuses paths that Snakemake would misunderstand."""

import re

from emofuse.runtime.errors import EmofuseError

# What Snakemake would replace in a path: {wildcards}, and <pathvars> as its own regular expression finds them.
PLACEHOLDER = re.compile(r"[{}]|<[a-z][a-z0-9_]*>")


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
