"""The turns of a dialog's label file, as far as it can be read: what IEMOCAP's clips are cut by."""

from emofuse.clips.cutting import damage_of, prepare, present, refuse
from emofuse.corpora.iemocap.labels import parse_labels
from emofuse.corpora.iemocap.text import read_text
from emofuse.media.wav import MediaError
from emofuse.runtime.errors import EmofuseError, listing


def begin(dialog, labels_path, out_dir, manifest_path, on_missing):
    """The turns to cut, after removing the clips and the manifest of an earlier cut."""
    prepare(out_dir, manifest_path)
    return read_turns(dialog, labels_path, on_missing)


def read_turns(dialog, labels_path, on_missing):
    """The turns of a dialog's label file; none where it is missing or damaged and is to be dropped."""
    try:
        text, _ = read_text(present(labels_path))
    except (OSError, MediaError) as error:
        refuse([damage_of(labels_path or f"the label file of {dialog}", error)], on_missing)
        return []
    turns, errors = parse_labels(text, dialog, labels_path)
    if errors:
        raise EmofuseError(f"The labels of {dialog} have errors:\n{listing(errors)}")
    return turns
