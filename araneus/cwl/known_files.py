"""File values that JavaScript returns: each must come from what the script was given.

So no document can name a file of the machine. Used by the evaluators, `cwl.expressions` and `cwl.draft2.evaluation`.
"""

import urllib.parse
from collections.abc import Iterator, Mapping

from araneus.cwl.errors import ExpressionError, Problem
from araneus.model.values import FileValue, Value, is_file_value

_SHOWN = 120


def with_known_files(value: Value, given: Mapping[str, Value], outdir: Value) -> Value:
    """The value in which every file value has a known origin; raises `ExpressionError` for a location from nowhere.

    Known are the locations that the expression was given, what lies below its directories, and ``outdir``, the job's
    own output directory. A path that was given gets its location back.
    """
    made = [item for item in all_file_values(value) if "location" in item or "path" in item]
    if not made:
        return value
    known = [item for item in all_file_values(dict(given)) if isinstance(item.get("location"), str)]
    locations = {item["location"] for item in known}
    paths = {item["path"]: item["location"] for item in known if isinstance(item.get("path"), str)}
    roots = [item["location"].rstrip("/") + "/" for item in known if item.get("class") == "Directory"]
    if isinstance(outdir, str):
        roots += [f"file://{outdir}/", f"file://{urllib.parse.quote(outdir)}/"]
    for item in made:
        location = item.get("location")
        if location is None:
            path = item.get("path")
            if isinstance(path, str) and path in paths:
                item["location"] = paths[path]
        elif not isinstance(location, str) or (location not in locations and not _below(location, roots)):
            what = f"it returned a file at {str(location)[:_SHOWN]!r}, which is none of its inputs"
            raise ExpressionError(Problem("", what))
    return value


def _below(location: str, roots: list[str]) -> bool:
    plain = urllib.parse.unquote(location)
    return ".." not in plain.split("/") and any(location.startswith(root) for root in roots)


def all_file_values(value: Value) -> Iterator[FileValue]:
    """Every file value at any depth, those inside secondary files and listings too."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if is_file_value(item):
                yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
