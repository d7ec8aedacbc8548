"""What a checked config means: the corpus and its dialogs, splits and what stands behind each, encoders, where things lie.

The rules ask the Plan; it needs no Snakemake and imports nothing heavy.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

from emofuse.clips import files
from emofuse.configuration import meaning
from emofuse.configuration.choices import check_local_models
from emofuse.configuration.encoders import Encoders
from emofuse.configuration.paths import require_plain
from emofuse.corpora.iemocap import paths, tree
from emofuse.corpora.iemocap.dialogs import read_dialog_list, scan_dialogs
from emofuse.corpora.iemocap.names import session_of
from emofuse.corpora.listing import IEMOCAP, Listing, read_listing
from emofuse.demo import plan as demo
from emofuse.encoders.hub import check_hub_ids
from emofuse.fusion import systems
from emofuse.runtime import kinds
from emofuse.runtime.disk import refuse_future
from emofuse.runtime.errors import EmofuseError
from emofuse.splits import folds


@dataclass(frozen=True)
class Plan:
    """A run. config: checked, its defaults filled in. root: of the release tree. dialogs: names, in order; of another corpus
    than IEMOCAP the units that its clips are cut in. generated: whether the workflow makes the release itself (the demo).
    listing: what the other corpus's recipe makes of it; None for IEMOCAP."""

    config: dict
    root: Path
    dialogs: list[str]
    generated: bool
    listing: Listing | None = None

    @property
    def corpus(self):
        """Its name: results/<corpus>/ is shared by all its runs."""
        return self.config["corpus"]["name"]

    @property
    def run(self):
        """Its name: results/<corpus>/<run>/."""
        return self.config["run"]

    @cached_property
    def modalities(self):
        """Those of the run, in the fixed order."""
        return [modality for modality in systems.MODALITIES if modality in self.config["fusion"]]

    @property
    def sessions(self):
        """Numbers, ascending: those of the sessions, of another corpus than IEMOCAP those of the groups it is dealt to."""
        return meaning.sessions(self.config)

    @property
    def seeds(self):
        """Of the trainings."""
        return self.config["seeds"]

    @cached_property
    def classes(self):
        """{class: its raw labels}."""
        return meaning.classes(self.config)

    @cached_property
    def labels(self):
        """{modality: what its encoder is called in the names of systems}."""
        return {modality: meaning.labels(self.config)[modality] for modality in self.modalities}

    @cached_property
    def choices(self):
        """{modality: the part on which its encoder is chosen}, of those whose encoder is not named."""
        return {m: value["choose"] for m, value in self.config["fusion"].items() if isinstance(value, dict)}

    @cached_property
    def candidates(self):
        """{modality: names of the encoders that are trained somewhere in the run}."""
        return meaning.candidates(self.config)

    @cached_property
    def checked(self):
        """(modality, encoder) of the folds, of all that one is chosen from, and of those that named systems read."""
        named = meaning.named_encoders(self.config)
        return [
            (modality, name)
            for modality in self.modalities
            for name in (
                self.candidates[modality]
                if modality in self.choices
                else dict.fromkeys([self.config["fusion"][modality], *named.get(modality, [])])
            )
        ]

    @property
    def systems(self):
        """{name: what the config says of it} of the named systems."""
        return self.config["systems"]

    def reads(self, system):
        """What a named system reads of its encoders: vectors or sequences."""
        return kinds.constants(systems.MODELS)[self.systems[system]["kind"]]["READS"]

    @cached_property
    def checked_for_paper(self):
        """(modality, encoder) of those that are trained for the paper's tables alone."""
        everything = [(m, name) for m in self.modalities for name in self.candidates[m]]
        return [encoder for encoder in everything if self.selection and encoder not in self.checked]

    @property
    def encoders(self):
        """What the config says of each encoder."""
        return Encoders(self.config["encoders"])

    @cached_property
    def hub_encoders(self):
        """The encoders that are downloaded: dicts of modality, encoder, model and revision."""
        return [
            {"modality": modality, "encoder": name}
            | {key: self.config["encoders"][modality][name][key] for key in ("model", "revision")}
            for modality, names in self.candidates.items()
            for name in names
            if self.encoders.is_network(modality, name) and not self.encoders.is_local(modality, name)
        ]

    @cached_property
    def frozen(self):
        """{modality: names of the frozen encoders that are in the folds, or may be chosen}."""
        found = {
            m: [n for n in names if self.encoders.is_frozen(m, n)] for m, names in meaning.folded(self.config).items()
        }
        return {modality: found[modality] for modality in self.modalities if found[modality]}

    @cached_property
    def trained(self):
        """The modalities whose encoder in the folds is, or may be, fine-tuned."""
        folded = meaning.folded(self.config)
        return [m for m in self.modalities if len(self.frozen.get(m, [])) < len(folded[m])]

    @property
    def train_vectors(self):
        """What the classifiers of encoders that are not all frozen learn from."""
        return meaning.train_vectors(self.config)

    @property
    def classifiers(self):
        """Names; argmax is always there."""
        return ["argmax", *self.config["classifiers"]]

    @property
    def predicted(self):
        """What each makes a file of predictions, of a split and seed: classifiers and named systems."""
        return [*self.classifiers, *self.systems]

    @property
    def protocols(self):
        """Names; the first is the primary one."""
        return self.config["protocols"]

    @property
    def primary(self):
        """The protocol that the tables 4 to 7 are of."""
        return self.protocols[0]

    @property
    def refit(self):
        """Whether encoders are trained anew with the validation part."""
        return self.config["validation"]["refit"]

    @cached_property
    def selection(self):
        """The split on which encoders are compared, or None: the fold of the same session where it is split alike, for its
        models are there already."""
        if not self.config["selection"]:
            return None
        if "official" in self.protocols:
            return "official1"
        whole = "group" if self.listing else "session"
        alike = whole in self.protocols and self.config["validation"]["rule"] == "previous_session"
        return f"{folds.constant(whole, 'PREFIX') if alike else 'selection'}{self.config['selection']['fold']}"

    @cached_property
    def splits_of(self):
        """{protocol: its splits}."""
        return {name: folds.split_names(name, self.sessions, self.dialogs) for name in self.protocols}

    @cached_property
    def splits(self):
        """The splits of all protocols."""
        return [split for splits in self.splits_of.values() for split in splits]

    def cross_fits(self, split):
        """The splits whose encoders are trained without one of the training sessions of `split` each."""
        if self.train_vectors != "cross_fitted":
            return []
        fold = folds.parse_split(split)
        own = folds.constant(fold.protocol, "OWN_VALIDATION")
        validated = self.config["validation"]["rule"] == "previous_session" and not own
        before = {self.sessions[self.sessions.index(fold.session) - 1]} if validated else set()
        tested = set() if folds.constant(fold.protocol, "ONCE") else {fold.session}
        return [f"{split}-without{session}" for session in self.sessions if session not in tested | before]

    def splits_behind(self, split):
        """Every split whose encoders the results of `split` rest on."""
        return [split, *([f"{split}-refit"] if self.refit else []), *self.cross_fits(split)]

    @cached_property
    def labelled_dialogs(self):
        """Those with a label file; one without has no turns, and indexing reports it."""
        if self.listing:
            return self.dialogs
        return [dialog for dialog in self.dialogs if self.existing(paths.label_path(self.root, dialog))]

    def existing(self, *paths):
        """The paths that are there, or will be because the workflow makes them; the index jobs report the others."""
        return [str(path) for path in paths if self.generated or os.path.exists(path)]

    def sentence_wavs(self, dialog):
        """The per-turn wavs of a dialog that are there, or will be."""
        if self.generated:
            return [str(paths.sentence_wav_path(self.root, turn)) for turn in demo.turn_ids(dialog)]
        return [str(path) for path in paths.sentence_wavs(self.root, dialog)]

    def motion_capture(self):
        """The motion capture that the workflow makes; none of a real release, whose files are compared by a digest."""
        made = [path for dialog in self.dialogs for path in demo.motion_outputs(dialog)] if self.generated else []
        return [f"{demo.RELEASE}/{path}" for path in made]

    def require_release(self):
        """Raise EmofuseError where a file of the release is of the future, or is missing and on_missing is 'error'."""
        if self.listing:
            self.listing.require(self.classes, drop=self.config["corpus"]["on_missing"] == "drop")
            refuse_future(self.listing.files())
        elif not self.generated:
            if self.config["corpus"]["on_missing"] == "error":
                tree.require_files(self.root, self.dialogs)
            refuse_future(tree.files(self.root, self.dialogs))

    def clips_root(self, modality):
        """Folder of a modality's clips; each crop of the picture has its own, for runs share a corpus and may differ in it."""
        crop = self.config["clips"]["crop"]
        return f"results/{self.corpus}/clips" + (f"-{crop}" if modality == "video" and crop != "speaker" else "")

    def read_root(self, modality):
        """Folder of the clips that encoders read: of video the small copies, where there are any."""
        small = self.config["clips"]["small"] if modality == "video" else None
        return self.clips_root(modality) + (f"-small{small}" if small else "")

    @cached_property
    def clip_roots(self):
        """{modality: the folders of its clips}: those that users look at, and those that encoders read."""
        return {m: list(dict.fromkeys([self.clips_root(m), self.read_root(m)])) for m in self.modalities}

    def manifests(self, modality, root=None):
        """The manifests of all dialogs' clips of one modality, in its folder for users or another one."""
        root = root or self.clips_root(modality)
        return [str(files.manifest_path(root, modality, dialog)) for dialog in self.labelled_dialogs]

    @property
    def all_manifests(self):
        """The manifests of all clips and their small copies."""
        return [path for m, roots in self.clip_roots.items() for root in roots for path in self.manifests(m, root)]

    def missing_clips(self):
        """(manifest, turns) of the clips that a manifest calls ok but which are gone."""
        for modality, roots in self.clip_roots.items():
            for root, dialog in product(roots, self.labelled_dialogs):
                if gone := files.missing_clips(root, modality, dialog):
                    yield files.manifest_path(root, modality, dialog), gone

    def validation_rule(self, split):
        """Where the validation part of a split comes from: a refit has none, the selection the session before its test."""
        if split.endswith("-refit"):
            return "none"
        return "previous_session" if split == self.selection else self.config["validation"]["rule"]

    def drawn_by(self, split):
        """The seed of a split in which turns or dialogs are drawn; None for the others, which depend on no seed."""
        drawn = folds.constant(folds.parse_split(split).protocol, "DRAWS") or self.validation_rule(split) == "share"
        return self.seeds[0] if drawn else None

    def scheme(self, split):
        """How a split is made: the fields of `splits.rules.Scheme`."""
        rule = self.validation_rule(split)
        return {
            "sessions": self.sessions,
            "rule": rule,
            "share": self.config["validation"]["share"] if rule == "share" else None,
            "seed": self.drawn_by(split),
            "groups": folds.groups(folds.parse_split(split).protocol, self.dialogs),
        }


def make_plan(config, needs_release=True):
    """The Plan of a checked config, whose paths of encoders get their `~` expanded; EmofuseError for what cannot be planned.

    needs_release: False where a corpus without a root has no dialogs, for `download`.
    """
    for settings in (settings for encoders in config["encoders"].values() for settings in encoders.values()):
        for key in {"model", "vectors"} & settings.keys():
            settings[key] = os.path.expanduser(settings[key])
    check_local_models(config, demo.ENCODER_FOLDERS)
    if config["corpus"]["kind"] != IEMOCAP and (needs_release or config["corpus"]["root"]):
        listing = read_listing(config["corpus"])
        require_plain("corpus.root", listing.base)
        plan = Plan(config, listing.base, listing.units, False, listing)
        if not listing.has_dialogs:
            _refuse_dialogs(config)
    else:
        plan = Plan(config, *find_corpus(config["corpus"], needs_release))
    check_hub_ids(plan.hub_encoders)
    return plan


def _refuse_dialogs(config):
    """Raise EmofuseError for what reads other turns of a dialog, for a corpus that says of none that they are of one."""
    reading = [f"systems.{name}" for name, entry in config["systems"].items() if any(systems.reach(entry))]
    texts = config["encoders"].get("text", {})
    named = meaning.candidates(config).get("text", [])
    reading += [f"encoders.text.{name}.context" for name in named if texts[name].get("context")]
    if reading:
        raise EmofuseError(
            f"{', '.join(reading)}: other turns of a dialog are read, and this corpus says of no turns that they are of one"
            " dialog; leave it out, or name them in a column `dialog`."
        )


def find_corpus(corpus, needs_release=True):
    """(root of the release tree, names of its dialogs, whether the workflow makes it) of the config's corpus."""
    if corpus["root"] is None and not needs_release:
        return Path(), [], False
    generated = corpus["root"] == demo.RELEASE
    sessions = sorted(corpus["sessions"])
    root = Path(demo.RELEASE) if generated else tree.find_root(corpus["root"])
    require_plain("corpus.root", root)
    if corpus["dialogs"]:
        names = sorted(read_dialog_list(corpus["dialogs"], sessions))
        if generated and not set(names) <= set(demo.DIALOGS):
            raise EmofuseError(f"corpus.dialogs: the demo has only the dialogs {', '.join(demo.DIALOGS)}")
        return root, names, generated
    if generated:
        return root, [dialog for dialog in demo.DIALOGS if session_of(dialog) in sessions], generated
    return root, scan_dialogs(root, sessions), generated
