"""The rate limit: how many requests a user may make in a window of time.

Source: API reference, "Rate limit". Counted in memory, per process.
"""

import threading
from datetime import datetime

from araneus.api.call import Answer, Budget, Call, Route
from araneus.api.services import Services

ANNOUNCED = 1000
UNLIMITED_INSTANCES = {"limit": -1, "remaining": 2**63 - 1}


class RateLimiter:
    """Counts requests by user in windows of ``window`` seconds.

    A ``limit`` of 0 limits nobody: the platform's usual figure is announced, since clients expect the headers, and
    nothing is counted.
    """

    def __init__(self, limit: int, window: int) -> None:
        self._limit = limit or ANNOUNCED
        self.enforced = limit > 0
        self._window = max(1, window)
        self._lock = threading.Lock()
        self._spent: dict[str, tuple[int, int]] = {}

    def budget(self, username: str | None, now: datetime, *, cost: int = 1) -> Budget:
        """What is left to the user after spending ``cost``; ``remaining`` is negative when that was too much."""
        reset = (int(now.timestamp()) // self._window + 1) * self._window
        if not self.enforced or username is None:
            return Budget(self._limit, self._limit, reset)
        with self._lock:
            until, spent = self._spent.get(username, (reset, 0))
            spent = (spent if until == reset else 0) + cost
            self._spent[username] = (reset, spent)
        return Budget(self._limit, self._limit - spent, reset)


def show_rate_limit(call: Call, services: Services) -> Answer:
    """``GET /rate_limit``: does not count against the limit."""
    budget = call.budget
    rate = {"limit": budget.limit, "remaining": max(0, budget.remaining), "reset": budget.reset}
    return Answer(value={"rate": rate, "instance_limit": UNLIMITED_INSTANCES})


ROUTES = (Route("GET", "/rate_limit", show_rate_limit, "Rate and instance limits", quiet=True),)
