"""How the contract tests check that something wrong is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Error = TypeVar("Error", bound=Exception)


def check_refused(error: type[Error], what: str, call: Callable[..., Any], *given: Any) -> Error:
    """The error of this type that the call raises; AssertionError where it raises none."""
    try:
        call(*given)
    except error as refusal:
        return refusal
    raise AssertionError(f"no {error.__name__} for {what}")
