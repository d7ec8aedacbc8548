"""Makes of a turn's words, alone or within those of the turns around it, what a text encoder takes."""

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import torch
from torch.nn.utils.rnn import pad_sequence

from emofuse.runtime.errors import EmofuseError

MARKER = re.compile(r"\[[A-Za-z]+\],?")  # what transcribers put in brackets: [LAUGHTER], [BREATHING], [garbage]
SPEAKER, PARTNER = "Me", "You"  # who says a turn's words: no names, and words that every tokenizer knows


class TextInputs:
    """Words through the encoder's own tokenizer, cut at `max_tokens` tokens.

    Transcribers' markers, such as [LAUGHTER], are words like others (`markers` keep) or are cut out (remove); of a turn that
    is nothing but a marker, nothing is then left but the tokenizer's special tokens.
    """

    def __init__(self, tokenizer, max_tokens, markers):
        self.tokenizer = tokenizer
        self.max_tokens = min(max_tokens, tokenizer.model_max_length)
        self.markers = markers

    def windows(self, path, length, rng=None):
        """The turn's text, as one window; `length` is its number of words."""
        return [self.words(path, length)]

    def words(self, path, length):
        """The text of a clip of `length` words; EmofuseError where it holds another number."""
        text = Path(path).read_text(encoding="utf-8")
        if len(text.split()) != length:
            raise EmofuseError(
                f"{path} does not hold the {length} words that its manifest counted; delete it and run again, and its dialog"
                " is cut again."
            )
        if self.markers == "remove":
            text = MARKER.sub(" ", text)
        return " ".join(text.split())

    def batch(self, windows):
        """Token ids and attention mask, int64 (W, tokens), padded to the longest of the batch."""
        return self.tokenizer(windows, padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt")


@dataclass(frozen=True)
class Line:
    """A turn as others read it. path: of its text clip. words: how many it holds. speaker: who says them."""

    turn: str
    path: Path
    words: int
    speaker: str


@dataclass(frozen=True)
class Passage:
    """A turn's line and those around it, each in the order of time."""

    before: tuple
    own: Line
    after: tuple

    @property
    def lines(self):
        """All of them, in the order of time."""
        return (*self.before, self.own, *self.after)


@dataclass(frozen=True)
class Window:
    """Token ids of a passage; `own`: the places of those of the turn itself, a slice."""

    ids: list
    own: slice

    def __len__(self):
        return len(self.ids)


class ContextInputs(TextInputs):
    """A turn's words within those of the turns around it, as EmoBERTa has it, cut at `max_tokens` tokens.

    Of RoBERTa: `<s> You: past Me: past</s></s> Me: own</s></s> You: future</s>`, where Me is who speaks in the turn and You the
    other, also in the turns around. Between the three stands what the tokenizer itself puts between the two texts of a pair;
    where that is nothing (GPT-2), its separator, and without one a line's end. Not its end of text, after which such an encoder
    expects something else altogether. Where nothing is before or after, there is no separator either. Where all is too long,
    turns around are left out, whole ones, the furthest first and of two as far the later one; only where the turn itself is
    too long are its own words cut, at their end.
    """

    def __init__(self, tokenizer, max_tokens, markers, context):
        """context: {before: n, after: n}, of how many turns around the words are taken."""
        super().__init__(tokenizer, max_tokens, markers)
        self.context = context
        self.opening, self.between, self.closing = _frame(tokenizer)
        self.known = {}  # each turn stands in many windows, and in those of each epoch

    def windows(self, passage):
        """The one window of a Passage."""
        room = self.max_tokens - len(self.opening) - len(self.closing)
        own = self._tokens(passage.own, passage.own.speaker)[:room]
        before, after = self._around(passage, room - len(own))
        first = len(self.opening) + len(before)
        ids = [*self.opening, *before, *own, *after, *self.closing]
        return [Window(ids, slice(first, first + len(own)))]

    def batch(self, windows):
        """Token ids, attention mask, and `own`, 1 at the turn's own words and their mark: int64 (W, tokens) each, padded to
        the longest of the batch."""
        ids = [torch.tensor(window.ids) for window in windows]
        masks = [torch.ones_like(each) for each in ids]
        padded = pad_sequence(ids, batch_first=True, padding_value=self.tokenizer.pad_token_id)
        own = torch.zeros_like(padded)
        for row, window in zip(own, windows, strict=True):
            row[window.own] = 1
        return {"input_ids": padded, "attention_mask": pad_sequence(masks, batch_first=True), "own": own}

    def _around(self, passage, room):
        """Token ids before and after the own ones, with what parts them from these: of so many turns that there is `room`."""
        sides = {"before": [], "after": []}
        nearest = zip_longest(reversed(passage.before), passage.after)
        for line, side in (placed for pair in nearest for placed in zip(pair, sides, strict=True)):
            if line is None:
                continue
            tokens = self._tokens(line, passage.own.speaker)
            room -= len(tokens) + (0 if sides[side] else len(self.between))
            if room < 0:
                break
            sides[side] = sides[side] + tokens if side == "after" else tokens + sides[side]
        before, after = sides.values()
        return before and [*before, *self.between], after and [*self.between, *after]

    def _tokens(self, line, speaker):
        """Token ids of a line with its mark, `speaker` being who speaks in the window's turn."""
        mark = SPEAKER if line.speaker == speaker else PARTNER
        if (line, mark) not in self.known:
            text = f" {mark}: {self.words(line.path, line.words)}"  # a space first, as within running text
            cut = {"truncation": True, "max_length": self.max_tokens}  # a longer one does not fit beside anything
            self.known[line, mark] = self.tokenizer(text.rstrip(), add_special_tokens=False, **cut)["input_ids"]
        return self.known[line, mark]


def _frame(tokenizer):
    """Token ids before a text, between two and after the last, as a tokenizer puts them; lists."""
    word = tokenizer(f" {SPEAKER}", add_special_tokens=False)["input_ids"]
    alone, pair = (tokenizer(*texts)["input_ids"] for texts in ([f" {SPEAKER}"], [f" {SPEAKER}"] * 2))
    first = next((place for place in range(len(alone)) if alone[place : place + len(word)] == word), None)
    if first is None:
        raise EmofuseError(
            f"a {type(tokenizer).__name__} writes a word otherwise within its special tokens than alone, so no context can be"
            " put around it; take the encoder's `context` out"
        )
    opening, closing = alone[:first], alone[first + len(word) :]
    between = pair[first + len(word) : len(pair) - len(word) - len(closing)]
    if not between:
        between = tokenizer(tokenizer.sep_token or "\n", add_special_tokens=False)["input_ids"]
    return opening, between, closing
