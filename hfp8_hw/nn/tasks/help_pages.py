"""Translation: English help pages of LibreOffice into German."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .models.transformer import Translator
from .sources import Arrays, Source
from .task import Recipe, Task, tensor

PACKAGE = Path("/usr/share/libreoffice/help")
FROM, TO = "en-US", "de"
WORDS = range(3, 51)
"""Words of a paragraph."""
PIECES = 4000
LONGEST = 96
"""Pieces of a paragraph, with its end."""
EVERY = 20
"""One file of so many is for the test."""
PAD, BEGIN, END = 0, 1, 2
SMOOTHING = 0.1


def paragraphs(path: Path) -> dict[str, str]:
    """The text of each paragraph and headline of a page by its identifier."""
    from lxml import html

    found: dict[str, str] = {}
    for element in html.parse(str(path)).iter("p", "h1", "h2", "h3", "h4", "h5", "h6"):
        text = " ".join(element.text_content().split())
        if text and re.match(r"(par|hd)_", element.get("id", "")):
            found.setdefault(element.get("id"), text)
    return found


def pairs(folder: Path) -> list[tuple[int, str, str]]:
    """(number of the file, English, German) of all paragraphs with `WORDS` in both languages.

    No pair is there twice, and none that is the same in both languages.
    """
    root = folder / FROM / "text"
    if not root.is_dir():
        raise FileNotFoundError(2, "missing", str(root))
    if not (folder / TO / "text").is_dir():
        raise FileNotFoundError(2, "missing", str(folder / TO / "text"))
    found: dict[tuple[str, str], int] = {}
    for number, page in enumerate(sorted(root.rglob("*.html"))):
        other = folder / TO / "text" / page.relative_to(root)
        if not other.is_file():
            continue
        german = paragraphs(other)
        for key, text in paragraphs(page).items():
            pair = (text, german.get(key, ""))
            if pair[0] != pair[1] and all(len(side.split()) in WORDS for side in pair):
                found.setdefault(pair, number)
    return [(number, *pair) for pair, number in found.items()]


def _cut(texts: list[str], processor: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Pieces of all texts one after the other, each with `END`, and where each text starts."""
    rows = [[*processor.encode(text), END] for text in texts]
    starts = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    return np.concatenate(rows).astype(np.uint16), starts


def read(folder: Path | None) -> Arrays:
    """Both sides of the training and the test pairs in pieces, the pieces, and the references.

    The test has the pairs of one file in `EVERY` whose English is in no training pair.
    """
    import io

    import sentencepiece

    every = pairs(folder or PACKAGE)
    train = [pair for pair in every if pair[0] % EVERY != EVERY - 1]
    known = {english for _, english, _ in train}
    test = [pair for pair in every if pair[0] % EVERY == EVERY - 1 and pair[1] not in known]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([side for pair in train for side in pair[1:]]),
        model_writer=model, vocab_size=PIECES, model_type="bpe", pad_id=PAD, bos_id=BEGIN,
        eos_id=END, unk_id=3, num_threads=1, character_coverage=1.0, minloglevel=2,
        hard_vocab_limit=False,
    )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    found: Arrays = {
        "pieces": np.array([processor.id_to_piece(k) for k in range(len(processor))]),
    }
    for name, part in (("train", train), ("test", test)):
        short = [pair for pair in part if all(len(processor.encode(s)) < LONGEST for s in pair[1:])]
        for k, side in ((1, "en"), (2, "de")):
            found[f"{name}_{side}"], found[f"{name}_{side}_starts"] = _cut(
                [str(pair[k]) for pair in short], processor
            )
        if name == "test":
            found["references"] = np.array([pair[2] for pair in short])
    return found


SOURCE = Source(
    "help", "apt-get install libreoffice-help-en-us libreoffice-help-de",
    "en-US/text and de/text of LibreOffice's help", read,
)  # fmt: skip


def table(flat: np.ndarray[Any, Any], starts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Rows of different length, one after the other, as a table that is padded with `PAD`."""
    lengths = np.diff(starts)
    found = np.full((len(lengths), int(lengths.max())), PAD, np.int16)
    found[np.arange(found.shape[1]) < lengths[:, None]] = flat
    return found


class Translation(Task):
    """A Transformer of three layers each way; the score is BLEU, of the likeliest next pieces."""

    name = "translation"
    unit = "BLEU"
    higher = True
    source = SOURCE
    recipe = Recipe(30, 128, "adam", lr=1e-3, warmup=0.1, score_every=10)

    def __init__(self, data: Mapping[str, np.ndarray[Any, Any]], device: torch.device) -> None:
        super().__init__(data, device)
        import sacrebleu

        self.bleu: Any = sacrebleu.corpus_bleu
        self.pieces = [str(piece) for piece in data["pieces"]]
        self.references = [str(text) for text in data["references"]]
        self.sides = {}
        for name in ("train_en", "train_de", "test_en"):
            self.sides[name] = tensor(table(data[name], data[f"{name}_starts"]), device)
        self.lengths = {
            name: torch.from_numpy(np.diff(data[f"{name}_starts"])) for name in self.sides
        }

    @property
    def size(self) -> int:
        """Training pairs."""
        return len(self.sides["train_en"])

    def model(self) -> nn.Module:
        """A new Transformer."""
        return Translator(len(self.pieces), LONGEST + 1)

    def batches(self, batch: int, generator: torch.Generator) -> list[Tensor]:
        """Pairs of about the same length together, in batches of random order."""
        order = torch.randperm(self.size, generator=generator)
        order = order[self.lengths["train_de"][order].argsort(stable=True)]
        parts = list(order.split(batch))
        return [parts[k] for k in torch.randperm(len(parts), generator=generator).tolist()]

    def _rows(self, name: str, index: Tensor) -> Tensor:
        """Padded pieces of some pairs, no wider than the longest of them."""
        width = int(self.lengths[name][index].max())
        return self.sides[name][index.to(self.device), :width].long()

    def loss(self, model: nn.Module, index: Tensor, generator: torch.Generator) -> Tensor:
        """Cross entropy of every piece of the German side, smoothed."""
        german = self._rows("train_de", index)
        before = F.pad(german, (1, 0), value=BEGIN)[:, :-1]
        scores = model(self._rows("train_en", index), before)
        return F.cross_entropy(scores.flatten(0, 1), german.flatten(), ignore_index=PAD,
                               label_smoothing=SMOOTHING)  # fmt: skip

    def text(self, tokens: list[int]) -> str:
        """The text of pieces up to the first `END`."""
        if END in tokens:
            tokens = tokens[: tokens.index(END)]
        return "".join(self.pieces[k] for k in tokens if k > END).replace("\u2581", " ").strip()

    def translate(self, model: nn.Module) -> list[str]:
        """The test's English in German, piece by piece the likeliest."""
        found = [""] * len(self.references)
        for index in self.lengths["test_en"].argsort(stable=True).split(512):
            english = self._rows("test_en", index)
            memory = model.encode(english)
            target = torch.full((len(index), 1), BEGIN, device=self.device)
            ended = torch.zeros(len(index), dtype=torch.bool, device=self.device)
            for k in range(min(LONGEST, 2 * english.shape[1] + 10)):
                last = model.decode(memory, english, target)[:, -1]
                piece = torch.where(ended, PAD, model.head(last).argmax(1))
                ended = ended | (piece == END)
                target = torch.cat((target, piece[:, None]), 1)
                if k % 8 == 7 and bool(ended.all()):
                    break
            for row, tokens in zip(index.tolist(), target[:, 1:].tolist(), strict=True):
                found[row] = self.text(tokens)
        return found

    def score(self, model: nn.Module) -> float:
        """BLEU by sacrebleu."""
        return float(self.bleu(self.translate(model), [self.references]).score)


TASKS = {"translation": Translation}
"""The tasks of this module."""
