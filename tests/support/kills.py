"""The end of a process at a certain call, without ending the process of the tests."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest


class Killed(BaseException):
    """Stands for the end of the process: no code of the provider catches it."""


def die_at(
    patched: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    when: str = "after",
    nth: int = 1,
    *,
    error: type[BaseException] = Killed,
    counts: Callable[..., bool] = lambda *_: True,
) -> None:
    """End the process before or after the ``nth`` call of a method, once.

    :param owner: the class that has the method, which may be a coroutine.
    :param counts: whether a call with these arguments counts.
    """
    method: Callable[..., Any] = getattr(owner, name)
    calls: list[None] = []

    def begin(*arguments: Any) -> bool:
        """Whether this call is the last one."""
        if not counts(*arguments):
            return False
        calls.append(None)
        if len(calls) == nth and when == "before":
            raise error
        return len(calls) == nth

    def mortal(*arguments: Any, **named: Any) -> Any:
        is_last = begin(*arguments)
        result = method(*arguments, **named)
        if is_last:
            raise error
        return result

    async def mortal_coroutine(*arguments: Any, **named: Any) -> Any:
        is_last = begin(*arguments)
        result = await method(*arguments, **named)
        if is_last:
            raise error
        return result

    is_coroutine = inspect.iscoroutinefunction(method)
    patched.setattr(owner, name, mortal_coroutine if is_coroutine else mortal)
