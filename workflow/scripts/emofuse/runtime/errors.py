"""The one exception that stands for a user's mistake."""


class EmofuseError(Exception):
    """Something the user can mend: wrong input, wrong setting, missing file.

    Its message says what is wrong, where, and what to do; jobs print it without a traceback. Where several things are
    wrong at once, one error lists them all, a line each.
    """


def first_line(error):
    """The first line of an exception's message, or its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def listing(lines, most=30):
    """Join `lines` for an error message, a line each; beyond `most`, say how many more there are."""
    lines = list(lines)
    shown = [f"  {line}" for line in lines[:most]]
    if len(lines) > most:
        shown.append(f"  ... and {len(lines) - most} more")
    return "\n".join(shown)
