"""Lines of text, drawn: upright or turned by 180 degrees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..packages import file_of, needed

FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic",
    "DejaVuSansMono", "STIXGeneral", "STIXGeneralItalic",
)  # fmt: skip
"""Fonts that matplotlib ships: the same lines on every machine."""

_WORDS = """
above account after again air almost always answer around autumn bank become before between
book bridge bring build carry change city clear close coffee cold corner country cover cross
dark daughter deep door draw early earth engine enough evening every family farm field figure
final fire follow forest friend garden general glass gold grand green ground grow half happen
harbour heart heavy history hotel house idea island journey keep kitchen knowledge lake large
leave letter light listen little machine market matter measure meeting middle minute money
morning mountain music name nature never night north number ocean office often order paper
people picture plain point possible power present problem quarter question quick rain reach
record remember river road room round school science season second several simple sister
small sound spring station stone story street strong summer surface system table teacher
thousand through today together town train travel under valley village visit voice water
weather welcome west winter without wonder work world write yellow young
"""
WORDS = _WORDS.split()

SIZE = (48, 192)
"""Height and width of what the model takes."""

Line = NDArray[np.float32]


def text(random: np.random.Generator) -> str:
    """A few words; often a number, a price or a date is among them, sometimes all in capitals."""
    words = [str(word) for word in random.choice(WORDS, random.integers(1, 5))]
    extras: list[Callable[[], str]] = [
        lambda: str(random.integers(10, 100_000)),
        lambda: f"${random.integers(1, 1000)}.{random.integers(0, 100):02}",
        lambda: f"{random.integers(1, 29)}.{random.integers(1, 13)}.{random.integers(1980, 2030)}",
    ]
    if random.random() < 0.4:
        place = int(random.integers(0, len(words) + 1))
        words.insert(place, extras[int(random.integers(0, len(extras)))]())
    style = random.random()
    line = " ".join(words)
    return line.upper() if style < 0.2 else line.title() if style < 0.5 else line


def draw(random: np.random.Generator, turned: bool, said: str | None = None) -> Line:
    """A line of text as the models take it: (3, 48, 192), -1 to 1, empty to the right of the text.

    It says what `text` gives, if it is not said. Font, size, colours, slant, blur and noise vary.

    Raises
    ------
    ToolMissing
        If Pillow or matplotlib is not installed.
    """
    image_module, draw_module, filter_module, font_module = (
        needed(f"PIL.{name}") for name in ("Image", "ImageDraw", "ImageFilter", "ImageFont")
    )
    font = font_module.truetype(str(_font(random)), int(random.integers(18, 49)))
    said = text(random) if said is None else said
    left, top, right, bottom = font.getbbox(said)
    margin = int(random.integers(2, 9))
    size = (round(right - left) + 2 * margin, round(bottom - top) + 2 * margin)
    light, dark = random.integers(110, 256, 3), random.integers(0, 146, 3)
    ground, ink = (light, dark) if random.random() < 0.7 else (dark, light)
    image: Any = image_module.new("RGB", size, tuple(ground.tolist()))
    draw_module.Draw(image).text((margin - left, margin - top), said, tuple(ink.tolist()), font)
    angle = float(random.uniform(-2, 2))
    bicubic = image_module.Resampling.BICUBIC
    image = image.rotate(angle, bicubic, fillcolor=tuple(ground.tolist()))
    image = image.filter(filter_module.GaussianBlur(float(random.uniform(0, 1.6))))
    if turned:
        image = image.transpose(image_module.Transpose.ROTATE_180)
    noise = random.normal(0, random.uniform(0, 24), (size[1], size[0], 3))
    shown = np.clip(np.asarray(image, np.float64) + noise, 0, 255).astype(np.uint8)
    return _prepared(image_module, shown)


def _prepared(image_module: Any, shown: NDArray[np.uint8]) -> Line:
    """What the model's own program does with a picture: to 48 lines, at most 192 wide, -1 to 1."""
    height, width = shown.shape[:2]
    wide = min(SIZE[1], int(np.ceil(SIZE[0] * width / height)))
    bilinear = image_module.Resampling.BILINEAR
    small = image_module.fromarray(shown).resize((wide, SIZE[0]), bilinear)
    line = np.zeros((3, *SIZE), np.float32)
    line[:, :, :wide] = np.asarray(small, np.float32).transpose(2, 0, 1)[::-1] / 127.5 - 1
    return line


def _font(random: np.random.Generator) -> Path:
    name = FONTS[int(random.integers(0, len(FONTS)))]
    return file_of("matplotlib", f"mpl-data/fonts/ttf/{name}.ttf")


def drawn(count: int, seed: int) -> tuple[Line, NDArray[np.int64]]:
    """Lines, (count, 3, 48, 192), and 1 for each that is turned: every other one."""
    random = np.random.default_rng(seed)
    turned = np.arange(count) % 2
    return np.stack([draw(random, bool(t)) for t in turned]), turned


def written(count: int, seed: int) -> tuple[Line, list[str]]:
    """Upright lines of one or two words, and what they say."""
    random = np.random.default_rng(seed)
    texts = [" ".join(random.choice(WORDS, random.integers(1, 3))) for _ in range(count)]
    return np.stack([draw(random, False, said) for said in texts]), texts
