"""The table of `permissions.txt`: who may do what."""

from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("stranger", "reader", "copier", "runner", "writer", "admin")


@dataclass(frozen=True, slots=True)
class Row:
    """One line; ``statuses`` by column, ``body`` is a template of JSON or empty."""

    method: str
    path: str
    statuses: tuple[int, ...]
    body: str
    each: bool

    @property
    def name(self) -> str:
        """What tests call it."""
        return f"{self.method} {self.path} {self.body}".strip()


def rows() -> list[Row]:
    """The table."""
    text = Path(__file__).with_name("permissions.txt").read_text("utf-8")
    return [_row(line) for line in text.splitlines() if line and not line.startswith("#")]


def _row(line: str) -> Row:
    each = line.startswith("each ")
    method, path, *rest = line.removeprefix("each ").split(None, 2 + len(COLUMNS))
    statuses, body = rest[: len(COLUMNS)], rest[len(COLUMNS) :]
    return Row(method, path, tuple(map(int, statuses)), body[0] if body else "", each)
