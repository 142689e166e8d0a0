"""How cases are drawn: a sample that is always the same, or one by a seed."""

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, seed, settings

Test = TypeVar("Test", bound=Callable[..., Any])


def sampled(cases: int, seed_: int | None = None) -> Callable[[Test], Test]:
    """The decorator of a test that takes so many cases. Without a seed they are the same each time, and a failure is
    shrunk; with one the test goes on to the end."""
    chosen = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=seed_ is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if seed_ is None else [Phase.generate],
    )

    def decorate(test: Test) -> Test:
        limited: Test = chosen(test)
        return limited if seed_ is None else seed(seed_)(limited)

    return decorate
