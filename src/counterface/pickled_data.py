"""Pickles as plain data: what a pickle describes is listed, and nothing that it names is called.

`pickletools.genops`, the standard library's disassembler, gives the instructions. They are carried
out on a stack of plain values. Where the pickle asks for a class or a call, the values hold a
`Made` with the name that was asked for; no module is imported. Readers of weights then take what
they know and refuse the rest.
"""

from __future__ import annotations

import pickletools
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any, BinaryIO

PERSISTENT = "persistent id"  # maker of what the pickle leaves to its reader
_MOST = 5_000_000  # instructions; torch's largest files of one network have about 100,000

_PUSHED = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_NEW = {"EMPTY_LIST": list, "EMPTY_DICT": dict}
_FIXED_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


@dataclass
class Made:
    """What a pickle asks for: a name alone, or a call of it; nothing was called."""

    maker: str  # "module name", or PERSISTENT
    arguments: tuple[Any, ...] | None = None  # None: the name alone
    state: Any = None  # given to it afterwards
    items: dict[Any, Any] = field(default_factory=dict)  # set on it, as on an OrderedDict


def read_pickled_data(stream: BinaryIO, names: Container[str] | None = None) -> Any:
    """The plain value that the next pickle of a stream describes; the stream stands behind it.

    Strings of Python 2 come as text in Latin-1, from which their bytes can be had.

    Args:
        stream: at the start of the pickle.
        names: all that it may name, each "module name"; None: any.

    Raises:
        ValueError: not a pickle, one with an instruction that data does not need or a name that is
            not allowed, or too long.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for count, (instruction, value, _) in enumerate(pickletools.genops(stream)):
        if count > _MOST:
            raise ValueError(f"more than {_MOST} instructions")
        name = instruction.name
        try:
            if name == "STOP":
                return stack.pop()
            _carry_out(name, value, stack, memo)
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"instruction {name} does not fit what is before it") from error
        if names is not None and name in ("GLOBAL", "STACK_GLOBAL"):
            maker = stack[-1].maker
            if maker not in names:
                raise ValueError(f"its pickle names {maker[:80]!r}, which is not needed here")
    raise ValueError("it does not end")


def _carry_out(name: str, value: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    if name in _PUSHED:
        stack.append(value)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _NEW:
        stack.append(_NEW[name]())
    elif name == "MARK":
        stack.append(_MARK)
    elif name in _FIXED_TUPLES:
        stack.append(tuple(_take(stack, _FIXED_TUPLES[name])))
    elif name == "TUPLE":
        stack.append(tuple(_after_mark(stack)))
    elif name == "LIST":
        stack.append(_after_mark(stack))
    elif name == "DICT":
        made: dict[Any, Any] = {}
        _set_items(made, _after_mark(stack))
        stack.append(made)
    elif name in ("APPEND", "APPENDS"):
        added = [stack.pop()] if name == "APPEND" else _after_mark(stack)
        stack[-1].extend(added)
    elif name in ("SETITEM", "SETITEMS"):
        pairs = _take(stack, 2) if name == "SETITEM" else _after_mark(stack)
        _set_items(stack[-1], pairs)
    elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
        memo[value] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(memo[value])
    else:
        _describe_object(name, value, stack)


def _describe_object(name: str, value: Any, stack: list[Any]) -> None:
    if name == "GLOBAL":
        stack.append(Made(value))
    elif name == "STACK_GLOBAL":
        stack.append(Made(" ".join(_take(stack, 2))))
    elif name in ("REDUCE", "NEWOBJ"):
        maker, arguments = _take(stack, 2)
        if not isinstance(
            arguments, tuple
        ):  # a text would become as many objects as it has letters
            raise TypeError
        stack.append(Made(maker.maker, arguments))
    elif name == "BUILD":
        state = stack.pop()
        stack[-1].state = state
    elif name == "BINPERSID":
        stack.append(Made(PERSISTENT, (stack.pop(),)))
    elif name not in ("PROTO", "FRAME"):
        raise ValueError(f"instruction {name}, which data does not need")


def _take(stack: list[Any], count: int) -> list[Any]:
    taken = stack[-count:]
    if len(taken) < count:
        raise IndexError
    del stack[-count:]
    return taken


def _after_mark(stack: list[Any]) -> list[Any]:
    at = len(stack) - 1
    while stack[at] is not _MARK:
        at -= 1
        if at < 0:
            raise IndexError
    taken = stack[at + 1 :]
    del stack[at:]
    return taken


def _set_items(target: Any, pairs: list[Any]) -> None:
    items = target.items if isinstance(target, Made) else target
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        if isinstance(key, tuple) and any(isinstance(part, tuple) for part in key):
            raise ValueError("a key of tuples in tuples")  # hashing a deep one overflows the stack
        items[key] = value
