"""Draw the pictures in docs/images that come from the project's own data."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import core_pictures
import curves
import diagram
import waveform

IMAGES = Path(__file__).parent / "images"


def pictures() -> dict[Path, str]:
    """Every picture's file and what it must hold."""
    return {
        IMAGES / "blocks.svg": diagram.svg(),
        IMAGES / "core.svg": core_pictures.parts_of_the_core(),
        IMAGES / "core_schedule.svg": core_pictures.schedule(core_pictures.simulate()),
        IMAGES / "waveform.svg": waveform.svg(waveform.simulate()),
    }


def main() -> None:
    """Write them."""
    for file, content in pictures().items():
        file.write_text(content, encoding="utf-8")
    rows = curves.load()
    (IMAGES / "training.svg").write_bytes(curves.svg(rows))


if __name__ == "__main__":
    main()
