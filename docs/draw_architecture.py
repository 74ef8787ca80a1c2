"""Draws docs/architecture.svg from the imports of the source: each room is a box above all rooms that it imports.

`make generate` writes the picture, `make generated` (with --check) fails if the picture is stale.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

TOP = Path(__file__).resolve().parents[1]
SOURCE = TOP / "src" / "springhead"
PICTURE = TOP / "docs" / "architecture.svg"

BOX_WIDTH, BOX_GAP, FLOOR_GAP, LINE, PADDING, MARGIN, LANE = 280, 50, 60, 18, 14, 30, 14
LEFT_OUT = {"__main__", "__init__"}

STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2933; }
    .room { font-weight: 600; font-size: 15px; }
    .about { fill: #52606d; }
    rect { fill: #f5f7fa; stroke: #9aa5b1; }
    path { fill: none; stroke: #829ab1; stroke-width: 1.2; }
    marker path { fill: #829ab1; stroke: none; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e4e7eb; }
      .about { fill: #9fb3c8; }
      rect { fill: #1f2933; stroke: #52606d; }
    }
"""


def room_of(path: Path) -> str:
    """Returns the room of a source file: a folder or a module directly in the package."""
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Returns the rooms that a source file imports, without its own room."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    rooms = {name.split(".")[1] for name in names if name.startswith("springhead.")}
    return {room for room in rooms if (SOURCE / room).is_dir() or (SOURCE / f"{room}.py").is_file()} - {room_of(path)}


def arrows() -> dict[str, set[str]]:
    """Returns every room with the rooms that it imports."""
    rooms: dict[str, set[str]] = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        if room_of(path) not in LEFT_OUT:
            rooms[room_of(path)] |= imported_rooms(path)
    return dict(rooms)


def floors(rooms: Mapping[str, set[str]]) -> dict[str, int]:
    """Returns the floor of each room: 0 if it imports no other room, otherwise above all rooms that it imports."""

    @cache
    def floor(room: str) -> int:
        return max((floor(target) + 1 for target in rooms[room]), default=0)

    return {room: floor(room) for room in rooms}


def contents(room: str) -> list[str]:
    """Returns the lines of a room's box: its folders with their numbers of files, and the number of its own files."""
    folder = SOURCE / room
    if not folder.is_dir():
        return ["1 file"]
    counts: dict[str, int] = defaultdict(int)
    for path in folder.rglob("*.py"):
        if path.name != "__init__.py":
            parts = path.relative_to(folder).parts
            counts[parts[0] if len(parts) > 1 else ""] += 1
    own = counts.pop("", 0)
    lines = [f"{name}/  {number}" for name, number in sorted(counts.items())]
    if own:
        lines.append("1 file" if own == 1 else f"{own} files")
    return lines


def about(room: str) -> list[str]:
    """Returns the first line of a room's docstring, in lines that fit into its box."""
    path = SOURCE / room / "__init__.py" if (SOURCE / room).is_dir() else SOURCE / f"{room}.py"
    sentence = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0].replace("`", "")
    lines, line = list[str](), ""
    for word in sentence.split():
        if len(line) + len(word) > 35:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [*lines, line]


def direct(rooms: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Returns the arrows to draw: an import that also follows from other imports gets no arrow."""

    @cache
    def reached(room: str) -> frozenset[str]:
        return frozenset(rooms[room]).union(*(reached(target) for target in rooms[room]))

    return [
        (room, target)
        for room in sorted(rooms)
        for target in sorted(rooms[room])
        if not any(target in reached(other) for other in rooms[room] - {target})
    ]


class Picture:
    """The positions of all boxes, and the lines of the picture."""

    def __init__(self) -> None:
        self.rooms = arrows()
        self.floors = floors(self.rooms)
        self.texts = {room: (about(room), contents(room)) for room in self.rooms}
        self.heights = {
            room: PADDING * 2 + 28 + LINE * (len(sentence) + len(files))
            for room, (sentence, files) in self.texts.items()
        }
        drawn = direct(self.rooms)
        self.short = [pair for pair in drawn if self.floors[pair[0]] - self.floors[pair[1]] == 1]
        self.long = [pair for pair in drawn if pair not in self.short]
        self.lanes = MARGIN + LANE * (len(self.long) + 1)
        rows: dict[int, list[str]] = defaultdict(list)
        for room, floor in sorted(self.floors.items()):
            rows[floor].append(room)
        widest = max(len(row) for row in rows.values())
        self.width = self.lanes * 2 + widest * BOX_WIDTH + (widest - 1) * BOX_GAP
        self.positions: dict[str, tuple[float, float]] = {}
        top = float(MARGIN)
        for floor in sorted(rows, reverse=True):
            row = rows[floor]
            left = (self.width - len(row) * BOX_WIDTH - (len(row) - 1) * BOX_GAP) / 2
            for index, room in enumerate(row):
                self.positions[room] = (left + index * (BOX_WIDTH + BOX_GAP), top)
            top += max(self.heights[room] for room in row) + FLOOR_GAP
        self.height = top - FLOOR_GAP + MARGIN

    def lines(self) -> list[str]:
        """Returns the picture as lines of SVG."""
        return [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:.0f} {self.height:.0f}" role="img">',
            "  <title>The rooms of Springhead: each stands above all that it imports</title>",
            f"  <style>{STYLE}  </style>",
            (
                '  <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
                '<path d="M0 0 8 4 0 8z"/></marker>'
            ),
            *(self._short_arrow(room, target) for room, target in self.short),
            *(self._long_arrow(room, target, lane) for lane, (room, target) in enumerate(self.long)),
            *(line for room in self.positions for line in self._box(room)),
            "</svg>",
            "",
        ]

    def _short_arrow(self, room: str, target: str) -> str:
        """Returns an arrow to the next floor: a curve from the bottom of a box to the top of the other box."""
        (x, y), (to_x, to_y) = self.positions[room], self.positions[target]
        begin, end = (x + BOX_WIDTH / 2, y + self.heights[room]), (to_x + BOX_WIDTH / 2, to_y - 2)
        bend = (end[1] - begin[1]) / 2
        return (
            f'  <path d="M{begin[0]:.0f} {begin[1]:.0f}C{begin[0]:.0f} {begin[1] + bend:.0f} '
            f'{end[0]:.0f} {end[1] - bend:.0f} {end[0]:.0f} {end[1]:.0f}" marker-end="url(#tip)"/>'
        )

    def _long_arrow(self, room: str, target: str, lane: int) -> str:
        """Returns an arrow over several floors: a line beside the boxes, in a lane of its own."""
        (x, y), (to_x, to_y) = self.positions[room], self.positions[target]
        right = to_x + BOX_WIDTH / 2 > self.width / 2
        offset = self.lanes - LANE * (lane + 1)
        lane_x = self.width - offset if right else offset
        edge = BOX_WIDTH if right else 0
        begin_y, above = y + 24 + 6 * (lane % 5), to_y - 14 - 4 * (lane % 4)
        end_x = to_x + BOX_WIDTH / 2 + (18 + 8 * (lane % 4)) * (1 if right else -1)
        return (
            f'  <path d="M{x + edge:.0f} {begin_y:.0f}H{lane_x:.0f}V{above:.0f}H{end_x:.0f}V{to_y - 2:.0f}" '
            'stroke-linejoin="round" marker-end="url(#tip)"/>'
        )

    def _box(self, room: str) -> list[str]:
        x, y = self.positions[room]
        sentence, files = self.texts[room]
        lines = [
            (
                f'  <rect x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{self.heights[room]}" rx="8"/>'
                f'<text class="room" x="{x + PADDING:.0f}" y="{y + PADDING + 12:.0f}">{escape(room)}</text>'
            )
        ]
        for index, text in enumerate([*sentence, *files]):
            line_y = y + PADDING + 34 + LINE * index + (6 if index >= len(sentence) else 0)
            kind = ' class="about"' if index < len(sentence) else ""
            lines.append(f'  <text{kind} x="{x + PADDING:.0f}" y="{line_y:.0f}">{escape(text)}</text>')
        return lines


def main() -> None:
    """Writes the picture. With --check, fails if the picture is stale."""
    picture = "\n".join(Picture().lines())
    if "--check" not in sys.argv:
        PICTURE.write_text(picture)
    elif not PICTURE.exists() or PICTURE.read_text() != picture:
        sys.exit("docs/architecture.svg does not match the imports. To draw it again, run: make generate")


if __name__ == "__main__":
    main()
