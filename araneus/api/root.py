"""The way in: where the resources are. Needs no authentication. Source: API reference, "Root"."""

from araneus.api.call import Answer, Call, Route
from araneus.api.services import Services

_RESOURCES = (
    "rate_limit", "user", "users", "billing", "projects", "files", "tasks", "apps", "action", "upload", "storage",
)  # fmt: skip


def show_root(call: Call, services: Services) -> Answer:
    """``GET /``: the absolute URL of each resource."""
    return Answer(value={f"{name}_url": call.href(name) for name in _RESOURCES})


ROUTES = (Route("GET", "/", show_root, "Links to all resources", auth=False),)
