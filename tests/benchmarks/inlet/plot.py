"""Draws curves into a PNG. One picture is not worth a plotting library among the dependencies."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

Points = Sequence[tuple[float, float]]
Color = tuple[int, int, int]

#: Five rows of three pixels for each character, each row as an octal digit.
_FONT = {
    **dict(zip("01234", ("75557", "26227", "71747", "71717", "55711"), strict=True)),
    **dict(zip("56789", ("74717", "74757", "71122", "75757", "75717"), strict=True)),
    **dict(zip("ABCDEFG", ("25755", "65656", "34443", "65556", "74647", "74644", "34553"), strict=True)),
    **dict(zip("HIJKLMN", ("55755", "72227", "11152", "55655", "44447", "57755", "65555"), strict=True)),
    **dict(zip("OPQRSTU", ("25552", "65644", "25573", "65655", "34216", "72222", "55557"), strict=True)),
    **dict(zip("VWXYZ", ("55552", "55775", "55255", "55222", "71247"), strict=True)),
    **dict(zip(".,/-:()", ("00002", "00024", "11244", "00700", "02020", "24442", "21112"), strict=True)),
}
_SCALE = 2
_CHARACTER = 4 * _SCALE
_LINE = 8 * _SCALE
_WHITE, _GRAY, _BLACK = (255, 255, 255), (221, 221, 221), (51, 51, 51)
_COLORS: Sequence[Color] = (
    (214, 39, 40),
    (31, 119, 180),
    (44, 160, 44),
    (148, 103, 189),
    (255, 127, 14),
    (23, 190, 207),
    (140, 86, 75),
)
_MARGIN = 56 + _CHARACTER


class Canvas:
    """A picture of colored pixels, with (0, 0) at the top left."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        self._rows = [bytearray(_WHITE * width) for _ in range(height)]

    def dot(self, x: int, y: int, color: Color) -> None:
        if 0 <= x < self._width and 0 <= y < self._height:
            self._rows[y][3 * x : 3 * x + 3] = bytes(color)

    def line(
        self, begin: tuple[float, float], end: tuple[float, float], color: Color, width: int = 1
    ) -> None:
        steps = max(1, round(max(abs(end[0] - begin[0]), abs(end[1] - begin[1]))))
        for step in range(steps + 1):
            x, y = (round(b + (e - b) * step / steps) for b, e in zip(begin, end, strict=True))
            for offset in range(width * width):
                self.dot(x + offset % width, y + offset // width, color)

    def text(self, x: int, y: int, text: str, color: Color = _BLACK) -> None:
        for position, character in enumerate(text.upper()):
            for pixel in range(15 * _SCALE * _SCALE):
                row, column = divmod(pixel, 3 * _SCALE)
                bits = int(_FONT.get(character, "00000")[row // _SCALE])
                if bits >> (2 - column // _SCALE) & 1:
                    self.dot(x + position * _CHARACTER + column, y + row, color)

    def save(self, path: Path) -> None:
        pixels = zlib.compress(b"".join(b"\0" + row for row in self._rows), 9)
        header = struct.pack(">2I5B", self._width, self._height, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + b"".join(
                struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
                for kind, data in chunks
            )
        )


@dataclass(frozen=True)
class Curve:
    """Points that are connected, from left to right.

    :param color: number of its color.
    """

    name: str
    color: int
    points: Points

    @property
    def rgb(self) -> Color:
        return _COLORS[self.color % len(_COLORS)]


def chart(
    canvas: Canvas, place: tuple[int, int], size: tuple[int, int], title: str, curves: Sequence[Curve]
) -> None:
    """Draw curves over seconds into a rectangle of a canvas.

    :param place: its upper left corner.
    """
    left, top = place[0] + _MARGIN, place[1] + 3 * _LINE
    width, height = size[0] - 2 * _MARGIN, size[1] - 5 * _LINE
    most = _round_up(max((y for curve in curves for _, y in curve.points), default=0))
    longest = _round_up(max((x for curve in curves for x, _ in curve.points), default=0))
    canvas.text(left, place[1] + _LINE // 2, title)
    for tick in range(5):
        y, x = top + height * (4 - tick) // 4, left + width * tick // 4
        canvas.line((left, y), (left + width, y), _GRAY)
        canvas.text(place[0], y - 5, _short(most * tick / 4).rjust(7))
        canvas.text(x - _CHARACTER, top + height + 6, f"{longest * tick / 4:g}" + (" s" if tick == 4 else ""))
    legend = left
    for curve in curves:
        canvas.text(legend, top - _LINE, curve.name, curve.rgb)
        legend += (len(curve.name) + 2) * _CHARACTER
        where = [
            (left + x / longest * width, top + height - max(y, 0) / most * height) for x, y in curve.points
        ]
        for begin, end in pairwise(where):
            canvas.line(begin, end, curve.rgb, width=2)


def _round_up(number: float) -> float:
    """The next number that can be divided by four without many digits."""
    power: float = 10 ** math.floor(math.log10(max(number, 0.1)))
    return next(factor * power for factor in (1, 2, 4, 6, 8, 10) if factor * power >= number)


def _short(number: float) -> str:
    for unit, factor in (("M", 1_000_000), ("K", 1_000)):
        if number >= factor:
            return f"{number / factor:g}{unit}"
    return f"{number:g}"
