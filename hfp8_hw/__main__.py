"""``python -m hfp8_hw``, and the console script: the ``hfp8`` command.

Nothing heavy is imported before Ctrl-C is taken care of.
"""

from __future__ import annotations

import signal
import sys


def run() -> None:
    """The console script. Ended by SIGTERM or by a terminal that closes, it cleans up as after
    Ctrl-C, and its status is 128 and the signal."""
    ended: list[int] = []

    def end(number: int, frame: object) -> None:
        ended.append(number)
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        # Whoever has one ignored, as nohup does, means it.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)
    try:
        from .cli.main import main

        status = main()
    except KeyboardInterrupt:
        print("hfp8: error: interrupted", file=sys.stderr)
        status = 130
    sys.exit(128 + ended[0] if ended else status)


if __name__ == "__main__":
    run()
