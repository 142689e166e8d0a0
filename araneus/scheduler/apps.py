"""Normal forms of apps, kept by content: an app of a hundred tools is loaded once, however many tasks run it."""

import threading
from collections import OrderedDict

from araneus.cwl.load import load_document
from araneus.cwl.process import Process
from araneus.model.app import App

_KEPT = 32


class Apps:
    """A small cache. Safe to use from several threads."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._known: OrderedDict[tuple[str, str], Process] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, app: App) -> Process:
        """The normal form of an app. Raises `DocumentError` or `UnsupportedError`."""
        key = (app.content, app.name)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        process = load_document(app.raw, name=app.name)
        with self._lock:
            self._known[key] = process
            while len(self._known) > self._kept:
                self._known.popitem(last=False)
        return process
