"""How a scratchpad of the core holds an operand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """How a scratchpad holds an operand: what is read in a clock, and where codes lie.

    A clock reads ``outer`` x ``lanes`` codes of the operand, and the same block of a matrix that is
    stored the other way round. So the stored matrix is cut into squares of ``short`` x ``short``
    codes; ``groups`` squares side by side are a word, the square in row i of squares and column j
    of squares being in group (i + j) mod ``groups`` of word
    ``i * row_words + j // groups``. A stored row fills ``row_words`` words, in whole beats, each of
    ``parts`` words.

    Members
    -------
    outer, lanes : int
        Rows or columns of the array, and products a clock.
    codes : int
        What a page holds.
    parts : int
        Words of a beat of the input stream.
    """

    outer: int
    lanes: int
    codes: int
    parts: int = 1

    @property
    def short(self) -> int:
        """The side of a square."""
        return min(self.outer, self.lanes)

    @property
    def long(self) -> int:
        """Codes of a stored row in a word."""
        return max(self.outer, self.lanes)

    @property
    def beat(self) -> int:
        """Codes of a beat of the input stream, a part of one stored row."""
        return self.long * self.parts

    @property
    def groups(self) -> int:
        """Squares in a word."""
        return self.long // self.short

    @property
    def words(self) -> int:
        """Words of a page."""
        return self.codes // (self.outer * self.lanes)

    @property
    def address_levels(self) -> int:
        """Additions one after another until all squares of a block have an address: with each there
        are twice as many."""
        return (self.groups - 1).bit_length()

    def row_beats(self, columns: int) -> int:
        """Beats of a stored row."""
        return -(-columns // self.beat)

    def row_words(self, columns: int) -> int:
        """Words of a stored row."""
        return self.row_beats(columns) * self.parts

    def matrix_words(self, shape: tuple[int, int]) -> int:
        """Words of a stored matrix."""
        return -(-shape[0] // self.short) * self.row_words(shape[1])
