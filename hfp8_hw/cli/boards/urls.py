"""The URLs of boards, as options have them."""

from __future__ import annotations

from ...host.transport import split_url


def check_url(url: str, name: str) -> None:
    """Refuse what is no board's URL, or names a simulated board that there is not, before any work.

    ``name`` is the option.

    Raises
    ------
    ParameterError
    """
    kind, rest = split_url(url, name)
    if kind == "sim":
        from verif.board.serve import check_board

        check_board(rest, f"{name}={url!r}")
