"""Names every file of the demo input, with the standard library alone: imported when the Snakefile is parsed."""

# Four dialogs a session, valid names of the release. The scenarios come back in every session, as they do there.
_SCENARIOS = ("F_impro01", "F_script01_1", "M_impro05", "M_script02_1")
_SCENARIOS_OF = {
    3: ("F_impro01", "F_script01_1", "M_impro05a", "M_script02_1"),
    5: ("F_impro01", "F_script02_1", "M_impro05", "M_script01_1b"),
}
SESSIONS = (1, 2, 3, 4, 5)
DIALOGS = tuple(f"Ses{s:02d}{scene}" for s in SESSIONS for scene in _SCENARIOS_OF.get(s, _SCENARIOS))

# The same in every dialog, so that one rule with the wildcards {session} and {dialog} can declare every file.
TURNS_OF_EACH_SPEAKER = 8

DIALOG_FILES = {
    "labels": "Session{session}/dialog/EmoEvaluation/{dialog}.txt",
    "apple_double": "Session{session}/dialog/EmoEvaluation/._{dialog}.txt",
    "raw_votes": "Session{session}/dialog/EmoEvaluation/Categorical/{dialog}_e2_cat.txt",
    "transcript": "Session{session}/dialog/transcriptions/{dialog}.txt",
    "wav": "Session{session}/dialog/wav/{dialog}.wav",
    "avi": "Session{session}/dialog/avi/DivX/{dialog}.avi",
}
SENTENCE_FILES = [
    f"Session{{session}}/sentences/wav/{{dialog}}/{{dialog}}_{gender}{n:03d}.wav"
    for gender in "FM"
    for n in range(TURNS_OF_EACH_SPEAKER)
]

# Made apart, by a rule that only runs where an encoder of motion is configured. Folders, for one table is missing.
MOTION_FOLDERS = {
    kind: f"Session{{session}}/sentences/{folder}/{{dialog}}"
    for kind, folder in (("face", "MOCAP_rotated"), ("head", "MOCAP_head"), ("hand", "MOCAP_hand"))
}
MOTION_FILE = (
    "Session{session}/dialog/MOCAP_head/{dialog}.txt"  # the head's of the whole dialog, from which it can be cut
)

ENCODERS = {  # the modality of each
    "bert": "text",
    "roberta": "text",
    "distilbert": "text",
    "wav2vec2": "audio",
    "hubert": "audio",
    "ast": "audio",
    "videomae": "video",
}
RELEASE = "resources/demo/release"  # what the workflow makes itself where the config names these folders
ENCODER_FOLDERS = {f"resources/demo/encoders/{name}": name for name in ENCODERS}
_MODEL_FILES = ["config.json", "model.safetensors"]
_PROCESSOR_FILES = {
    "text": ["tokenizer.json", "tokenizer_config.json"],
    "audio": ["preprocessor_config.json"],
    "video": ["preprocessor_config.json"],
}


def session_of(dialog):
    """The session (int) a dialog's name carries: 3 for `Ses03M_impro05a`."""
    return int(dialog[3:5])


def turn_ids(dialog):
    """The dialog's turns, F's before M's as in the release's label files."""
    return [f"{dialog}_{gender}{n:03d}" for gender in "FM" for n in range(TURNS_OF_EACH_SPEAKER)]


def dialog_files(dialog):
    """Every file of one dialog, relative to the release root."""
    patterns = [*DIALOG_FILES.values(), *SENTENCE_FILES]
    return [pattern.format(session=session_of(dialog), dialog=dialog) for pattern in patterns]


def motion_outputs(dialog):
    """The folders and the table of one dialog's motion capture, relative to the release root."""
    return [p.format(session=session_of(dialog), dialog=dialog) for p in (*MOTION_FOLDERS.values(), MOTION_FILE)]


def encoder_files(name):
    """The names of the files in the folder of the demo encoder `name` (a key of ENCODERS)."""
    return _MODEL_FILES + _PROCESSOR_FILES[ENCODERS[name]]
