"""What a glob of sbg:draft-2 finds: files only, and not only on the level that it names.

Called by `araneus.cwl.outputs`. The dialect's executor compares the names of all files down to the second level; its
users are told that only the first is searched. So the second is looked at when there is nothing on the first.
Source: rabix/bunny, rabix-bindings-sb; docs/cwl.md.
"""

import fnmatch
import re
from collections.abc import Iterator
from typing import Final

from araneus.cwl.globs import alternatives
from araneus.cwl.produced import WorkTree

STDERR: Final = "job.err.log"
LOGS: Final = frozenset({"job.json", "cmd.log", STDERR})
"""Files of the executor, which only their own names find."""

_WILD: Final = re.compile(r"[*?\[]|!\(")
_NEGATED: Final = re.compile(r"!\((.*)\)", re.DOTALL)


def matching_files(tree: WorkTree, pattern: str, *, several: bool = True) -> list[str]:
    """The paths of the files, in the tool's view: sorted, each once. A directory stands for the files in it.

    ``!(a|b)`` as last part is what matches neither. Absolute patterns may name inputs. Where ``several`` are wanted,
    patterns that end in ``.log`` find the log of stderr. Raises `OutputError` for patterns that leave the directory.
    """
    found: set[str] = set()
    for one in alternatives(pattern.strip()):
        inputs = _inputs(tree, one.strip())
        found.update(_files(tree, one.strip(), several=several) if inputs is None else inputs)
    return sorted(found)


def _inputs(tree: WorkTree, pattern: str) -> list[str] | None:
    """The staged inputs that a pattern names; None when it names no place where some are."""
    if not pattern.startswith("/") or tree.relative(pattern) is not None:
        return None
    directory, _, name = pattern.rpartition("/")
    beside = [path for path in tree.inputs() if path.rpartition("/")[0] == directory]
    return [path for path in beside if _fits(path.rpartition("/")[2], name)] if beside else None


def _files(tree: WorkTree, pattern: str, *, several: bool) -> list[str]:
    paths = list(_matches(tree, pattern))
    files = [path for path in paths if not tree.is_directory(path)]
    if _WILD.search(pattern):
        hidden = LOGS - {STDERR} if several and pattern.endswith(".log") else LOGS
        files = [path for path in files if path.rpartition("/")[2] not in hidden]
    if not files:
        files = [path for directory in paths if tree.is_directory(directory) for path in _inside(tree, directory)]
    return files or (_one_below(tree, pattern.removeprefix("./")) if pattern else [])


def _one_below(tree: WorkTree, pattern: str) -> list[str]:
    """The files that the pattern would find if they lay in the directory above theirs."""
    directory, slash, name = pattern.rpartition("/")
    outer = tree.matching(directory) if slash else [""]
    inner = [entry for each in outer for entry in tree.entries(each) if tree.is_directory(entry)]
    return [path for entry in inner for path in _inside(tree, entry) if _fits(path.rpartition("/")[2], name)]


def _matches(tree: WorkTree, pattern: str) -> Iterator[str]:
    directory, slash, last = pattern.rpartition("/")
    negated = _NEGATED.fullmatch(last)
    if negated is None:
        yield from tree.matching(pattern)
        return
    names = [each.strip() for each in negated[1].split("|")]
    for root in tree.matching(directory) if slash else [""]:
        for path in _inside(tree, root):
            if not any(_fits(path.rpartition("/")[2], name) for name in names):
                yield path


def _inside(tree: WorkTree, directory: str) -> list[str]:
    """The files directly in a directory."""
    return [path for path in tree.entries(directory) if not tree.is_directory(path)]


def _fits(name: str, pattern: str) -> bool:
    negated = _NEGATED.fullmatch(pattern)
    if negated is not None:
        return not any(fnmatch.fnmatchcase(name, each.strip()) for each in negated[1].split("|"))
    return fnmatch.fnmatchcase(name, pattern)
