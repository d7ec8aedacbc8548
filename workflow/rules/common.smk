"""Read and validate the config; find the dialogs; helpers of the rules."""

import json
import os
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake.utils import validate

# Relative, or all that was made of them would be made again once the project's folder has moved.
RESOURCES = Path(os.path.relpath(Path(workflow.basedir) / "resources"))
SCRIPTS = Path(workflow.basedir) / "workflow/scripts"
sys.path.insert(0, str(SCRIPTS))

from emofuse import configuration
from emofuse.clips import files as clip_files
from emofuse.demo import plan as demo_plan
from emofuse.runtime import fingerprint as fingerprints
from emofuse.encoders import hub
from emofuse.runtime import job
from emofuse.report import outputs
from emofuse.splits import protocols
from emofuse.corpora.iemocap import release
from emofuse.fusion import systems
from emofuse.runtime.disk import refuse_future, require_writable
from emofuse.runtime.errors import EmofuseError

# With `--quiet all` Snakemake prints no error either, nor the log of a failed job: what a user can mend is told all the same, by
# us, and by the jobs (`job` looks for this variable, which they inherit).
SILENT = bool(workflow.output_settings and Quietness.ALL in (workflow.output_settings.quiet or ()))
if SILENT:
    os.environ[job.TELL] = "1"


def mistakes_as_messages(function, *arguments):
    """Call a function of the package; what the user can mend becomes Snakemake's plain error."""
    try:
        return function(*arguments)
    except EmofuseError as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename} cannot be used: {error.strerror}"
    if SILENT:
        print(f"error: {message}", file=sys.stderr)
    raise WorkflowError(message)


SCHEMA = Path(workflow.basedir) / "workflow/schemas/config.schema.yaml"
mistakes_as_messages(configuration.require_plain_folder, workflow.basedir, RESOURCES)
mistakes_as_messages(configuration.refuse_repeated_keys, workflow.configfiles)
configuration.drop_nulls(config)
mistakes_as_messages(configuration.check_config, config, SCHEMA)
validate(config, str(SCHEMA))
mistakes_as_messages(configuration.check_choices, config)

CORPUS = config["corpus"]["name"]
RUN = config["run"]
# The demo's input, which the workflow makes itself where the config names these folders.
DEMO_RELEASE = "resources/demo/release"
DEMO_ENCODERS = {f"resources/demo/encoders/{name}": name for name in demo_plan.ENCODERS}
GENERATED = config["corpus"]["root"] == DEMO_RELEASE
for encoders in config["encoders"].values():
    for settings in encoders.values():
        settings["model"] = os.path.expanduser(settings["model"])
mistakes_as_messages(configuration.check_local_models, config, DEMO_ENCODERS)
MODALITIES = [m for m in systems.MODALITIES if m in config["fusion"]]
SESSIONS = sorted(config["corpus"]["sessions"])
CLASSES = configuration.classes(config)
LABELS = {m: configuration.labels(config)[m] for m in MODALITIES}
CHOICES = {m: value["choose"] for m, value in config["fusion"].items() if isinstance(value, dict)}
CANDIDATES = configuration.candidates(config)
PROTOCOLS = config["protocols"]
PRIMARY = PROTOCOLS[0]
SEEDS = config["seeds"]
REFIT = config["validation"]["refit"]
# The selection's fold: that of the same session, whose models are then there already, wherever it is split alike.
SELECTION = config["selection"] and (
    f"session{config['selection']['fold']}"
    if "session" in PROTOCOLS and config["validation"]["rule"] == "previous_session"
    else f"selection{config['selection']['fold']}"
)
CLASSIFIERS = ["argmax", *config["classifiers"]]


def clips_root(modality):
    """Folder of a modality's clips; each crop of the picture has its own, for runs share a corpus and may differ in it."""
    crop = config["clips"]["crop"]
    return f"results/{CORPUS}/clips" + (f"-{crop}" if modality == "video" and crop != "speaker" else "")


pathvars:
    corpus=CORPUS,
    run=RUN,
    video_clips=clips_root("video"),


wildcard_constraints:
    dialog="Ses0[1-5][FM]_[a-z0-9_]+",
    modality="text|audio|video",
    encoder="[a-z0-9][a-z0-9_-]*",
    split=protocols.SPLIT,
    seed=r"\d+",
    protocol="|".join(protocols.PROTOCOLS),
    classifier="|".join(CLASSIFIERS),


# `snakemake download` needs no release. Snakemake does not say its targets yet when the Snakefile is parsed.
DOWNLOAD = "download" in sys.argv[1:]


def corpus_dialogs():
    """The root of the release tree and the names of its dialogs; none of it for `download`, which needs no release."""
    corpus = config["corpus"]
    if corpus["root"] is None and (DOWNLOAD or not workflow.is_main_process):
        return Path(), []
    root = Path(DEMO_RELEASE) if GENERATED else release.find_root(corpus["root"])
    configuration.require_plain("corpus.root", root)
    if corpus["dialogs"]:
        names = sorted(release.read_dialog_list(corpus["dialogs"], SESSIONS))
        if GENERATED and not set(names) <= set(demo_plan.DIALOGS):
            raise EmofuseError(f"corpus.dialogs: the demo has only the dialogs {', '.join(demo_plan.DIALOGS)}")
        return root, names
    if GENERATED:
        return root, [d for d in demo_plan.DIALOGS if release.session_of(d) in SESSIONS]
    return root, release.scan_dialogs(root, SESSIONS)


ROOT, DIALOGS = mistakes_as_messages(corpus_dialogs)
if workflow.is_main_process and not GENERATED and not DOWNLOAD:
    if config["corpus"]["on_missing"] == "error":
        mistakes_as_messages(release.require_files, ROOT, DIALOGS)
    mistakes_as_messages(refuse_future, release.files(ROOT, DIALOGS))


SPLITS_OF = {protocol: protocols.split_names(protocol, SESSIONS, DIALOGS) for protocol in PROTOCOLS}
SPLITS = [split for splits in SPLITS_OF.values() for split in splits]


def cross_fits(split):
    """The splits whose encoders are trained without one of the training sessions of `split` each."""
    if config["train_vectors"] != "cross_fitted":
        return []
    fold = protocols.parse_split(split)
    validated = config["validation"]["rule"] == "previous_session" and fold.protocol != "speaker"
    other = {fold.session, SESSIONS[SESSIONS.index(fold.session) - 1]} if validated else {fold.session}
    return [f"{split}-without{session}" for session in SESSIONS if session not in other]


def splits_behind(split):
    """Every split whose encoders the results of `split` rest on."""
    return [split, *([f"{split}-refit"] if REFIT else []), *cross_fits(split)]


def existing(*paths):
    """The paths that are there, or will be because the workflow makes them; the index jobs report the others."""
    return [str(path) for path in paths if GENERATED or os.path.exists(path)]


# A dialog without a label file has no turns; indexing reports it.
LABELLED_DIALOGS = [d for d in DIALOGS if existing(release.label_path(ROOT, d))]


def fingerprint(script):
    """Hash of the code that the results of workflow/scripts/<script>.py depend on."""
    return fingerprints.fingerprint(SCRIPTS / f"{script}.py")


def sentence_wavs(dialog):
    """The per-turn wavs of a dialog that are there, or will be."""
    if GENERATED:
        return [str(release.sentence_wav_path(ROOT, turn)) for turn in demo_plan.turn_ids(dialog)]
    return [str(path) for path in release.sentence_wavs(ROOT, dialog)]


def is_local(model):
    """Whether an encoder's `model` is a folder and no id of the Hub."""
    return configuration.is_path(model) or Path(model).is_dir()


def hub_folder(model, revision):
    """Where `download` puts an encoder of the Hub."""
    return f"resources/encoders/{model.replace('/', '--')}/{revision}"


def model_folder(modality, encoder):
    """The folder that holds an encoder as it is before training."""
    settings = config["encoders"][modality][encoder]
    return settings["model"] if is_local(settings["model"]) else hub_folder(settings["model"], settings["revision"])


HUB_ENCODERS = [
    {"modality": modality, "encoder": name}
    | {key: config["encoders"][modality][name][key] for key in ("model", "revision")}
    for modality, names in CANDIDATES.items()
    for name in names
    if not is_local(config["encoders"][modality][name]["model"])
]


mistakes_as_messages(hub.check_hub_ids, HUB_ENCODERS)


def encoder_of(modality):
    """The encoder of the folds: the one that the config names, or has chosen. For input functions alone."""
    if modality not in CHOICES:
        return config["fusion"][modality]
    with checkpoints.choose_encoder.get(modality=modality).output[0].open() as file:
        return json.load(file)["encoder"]


def once_chosen(paths):
    """`paths`, a list or an input function, as an input that waits until the encoders are chosen, where any is.

    For every job below a choice: Snakemake 9.27 looks again at those alone that wait for a checkpoint themselves, and would
    run the others for a choice that came out the same.
    """

    def when_chosen(wildcards):
        for modality in CHOICES:
            encoder_of(modality)
        return paths(wildcards) if callable(paths) else [path.format(**wildcards) for path in paths]

    return when_chosen if CHOICES else paths


def ordered(settings):
    """Settings with their keys in order, for Snakemake compares params as text."""
    return {key: ordered(value) if isinstance(value, dict) else value for key, value in sorted(settings.items())}


def manifests(modality):
    """The manifests of all dialogs' clips of one modality."""
    return [str(clip_files.manifest_path(clips_root(modality), modality, dialog)) for dialog in LABELLED_DIALOGS]


@cache
def check_rerun_triggers():
    """Warn, once, where a profile would make Snakemake rerun too much or too little.

    Called from an input function, for the triggers are not known yet when the Snakefile is parsed.
    """
    if not workflow.is_main_process:
        return
    triggers = {str(trigger) for trigger in workflow.rerun_triggers}
    wanted = {"mtime", "params", "input", "software-env"}
    if triggers != wanted:
        logger.warning(
            f"The rerun triggers are [{', '.join(sorted(triggers))}]; emofuse needs [{', '.join(sorted(wanted))}]:"
            " without params edited code and settings go unnoticed, and with code each touched script reruns all of its"
            " jobs, GPU hours included. Copy rerun-triggers from profiles/default/config.yaml into your profile."
        )


def void_damaged_manifests():
    """Remove the manifest of each dialog that has lost a clip, so that Snakemake cuts that dialog again.

    Snakemake does not look inside a directory() output; a deleted clip would go unnoticed until a training fails on it.
    """
    for modality in MODALITIES:
        for dialog in LABELLED_DIALOGS:
            gone = mistakes_as_messages(clip_files.missing_clips, clips_root(modality), modality, dialog)
            if gone:
                logger.warning(
                    f"{modality} clips of {dialog} are gone ({', '.join(gone[:3])}, {len(gone)} in all): cut again."
                )
                clip_files.manifest_path(clips_root(modality), modality, dialog).unlink()


if workflow.is_main_process:
    void_damaged_manifests()


onstart:
    # Snakemake itself would end with a traceback at the first job.
    mistakes_as_messages(require_writable, f"results/{CORPUS}/{RUN}")
