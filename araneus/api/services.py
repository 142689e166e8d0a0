"""What every handler may use: the database, the bytes, the clock and a few settings; built once by main."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from araneus.api.app_documents import NormalForms
from araneus.model.charge import Prices
from araneus.storage.base import Storage
from araneus.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """The part of the settings that the HTTP half needs.

    ``uploads`` is a directory on the file system of the storage, for parts on their way in. ``public_url`` is the
    scheme and host (and prefix, without ``/v2``) under which clients reach the server; None takes them from each
    request. ``rate_limit`` is the number of requests per user and ``rate_window`` (seconds); 0 limits nobody.
    ``max_body`` is in bytes. ``threads`` run what may wait: writes, bytes; ``readers``
    what reads from PostgreSQL.
    """

    uploads: Path
    public_url: str | None = None
    trust_proxy: bool = False
    rate_limit: int = 0
    rate_window: int = 300
    link_lifetime: timedelta = timedelta(days=2)
    upload_lifetime: timedelta = timedelta(days=7)
    prices: Prices = field(default_factory=Prices)
    max_body: int = 64 * 1024**2
    threads: int = 16
    readers: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What handlers work with.

    ``clock`` gives the time in UTC. ``wake`` tells the scheduler that there is something to do; call it after the
    commit. It never fails. ``forms`` keeps the normal forms of apps in memory. ``chores`` is set when there is
    something to do in the background.
    """

    database: Database
    storage: Storage
    clock: Callable[[], datetime]
    settings: ApiSettings
    wake: Callable[[], None] = field(default=lambda: None)
    forms: NormalForms = field(default_factory=NormalForms)
    chores: threading.Event = field(default_factory=threading.Event)
