"""The part of the standard library's `dataclasses` that this project uses, at a fraction of what that costs.

Every command starts a process, and half of the processor time of a small one went into `dataclasses`: 20 ms to import
it with all of `inspect`, and a millisecond for each of some forty classes. Here a class costs one generated
``__init__``; what else it needs is the same function for all of them. Type checkers see the real thing
(``dataclasses.pyi``), and a contract test compares the two. See docs/decisions/0008.

What differs: ``frozen`` is kept by the type checker and not once more at run time, and there is nothing for orderings,
class variables, keyword-only or inherited fields.
"""

from __future__ import annotations

from operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""Stands where a field has no default."""


class Field:
    """One field: its ``name``, its ``default`` or ``default_factory``, and whether ``repr`` shows it."""

    __slots__ = ("default", "default_factory", "name", "repr")

    def __init__(self, default: object, default_factory: Any, repr: bool) -> None:
        self.name = ""
        self.default = default
        self.default_factory = default_factory
        self.repr = repr


def field(*, default: object = MISSING, default_factory: Any = MISSING, repr: bool = True) -> Any:
    """A field whose default is made anew for each object, or which ``repr`` leaves out."""
    return Field(default, default_factory, repr)


def dataclass(cls: type | None = None, /, *, frozen: bool = False, slots: bool = False) -> Any:
    """Gives a class ``__init__``, ``__repr__``, ``__eq__`` and, when ``frozen``, ``__hash__`` from its annotations."""
    if cls is None:
        return lambda decorated: _made(decorated, frozen, slots)
    return _made(cls, frozen, slots)


def fields(of: Any) -> tuple[Field, ...]:
    """The fields of a class or an object, in their order."""
    found: tuple[Field, ...] = of._dataclass_fields
    return found


def replace(of: Any, /, **changes: Any) -> Any:
    """A new object like ``of`` but for ``changes``; raises `TypeError` for a name that is no field."""
    for name in of.__match_args__:
        if name not in changes:
            changes[name] = getattr(of, name)
    return of.__class__(**changes)


def asdict(of: Any) -> dict[str, Any]:
    """The fields of ``of`` by name; the lists, dictionaries and dataclasses that they hold are turned likewise."""
    return {name: _plain(getattr(of, name)) for name in of.__match_args__}


def _plain(value: Any) -> Any:
    if hasattr(value, "_dataclass_fields"):
        return asdict(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(map(_plain, value))
    if isinstance(value, dict):
        return {_plain(key): _plain(each) for key, each in value.items()}
    return value


def _made(cls: type, is_frozen: bool, has_slots: bool) -> type:
    own = dict(cls.__dict__)
    found = tuple(_field(name, own) for name in cls.__annotations__)
    _require_sound(cls, found)
    names = tuple(each.name for each in found)
    if has_slots:
        for name in (*names, "__dict__", "__weakref__"):
            own.pop(name, None)
        own["__slots__"] = names
        qualified = cls.__qualname__
        cls = type(cls)(cls.__name__, cls.__bases__, own)
        cls.__qualname__ = qualified
    made: Any = cls
    made._dataclass_fields = found
    made.__match_args__ = names
    made.__init__ = _first_init
    made._values = staticmethod(attrgetter(*names) if names else _nothing)
    if "__repr__" not in own:
        made.__repr__ = _repr
    if "__eq__" not in own:
        made.__eq__ = _eq
        made.__hash__ = _hash if is_frozen else None
    return cls


def _field(name: str, own: Mapping[str, object]) -> Field:
    given = own.get(name, MISSING)
    made = given if isinstance(given, Field) else Field(given, MISSING, True)
    made.name = name
    return made


def _require_sound(cls: type, found: tuple[Field, ...]) -> None:
    """Raise where the standard one does: for a default that all objects would share, and fields in a wrong order."""
    must_have_default = False
    for each in found:
        has_default = each.default is not MISSING or each.default_factory is not MISSING
        if isinstance(each.default, (list, dict, set)):
            raise ValueError(
                f"{cls.__name__}.{each.name}: a default that changes is shared by all: use default_factory"
            )
        if must_have_default and not has_default:
            raise TypeError(f"{cls.__name__}.{each.name} has no default and stands behind a field that has one")
        must_have_default = must_have_default or has_default


def _first_init(self: Any, /, *given: object, **named: object) -> None:
    """Makes the ``__init__`` of a class when it is first wanted: of most classes a command makes no object."""
    cls = self.__class__
    cls.__init__ = _initializer(cls)
    cls.__init__(self, *given, **named)


def _initializer(cls: Any) -> Callable[..., None]:
    """Compiled, so that it is as fast as one written by hand."""
    known: dict[str, Any] = {"MISSING": MISSING}
    parameters, lines = ["self"], []
    for each in fields(cls):
        name = each.name
        value = name
        if each.default_factory is not MISSING:
            known[f"_new_{name}"] = each.default_factory
            parameters.append(f"{name}=MISSING")
            value = f"_new_{name}() if {name} is MISSING else {name}"
        elif each.default is not MISSING:
            known[f"_default_{name}"] = each.default
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        lines.append(f" self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n" + "\n".join(lines or [" pass"]), known)
    initializer: Callable[..., None] = known["__init__"]
    initializer.__qualname__ = f"{cls.__qualname__}.__init__"
    return initializer


def _nothing(of: object) -> tuple[()]:
    return ()


def _repr(self: Any) -> str:
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _eq(self: Any, other: Any) -> bool:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return bool(self._values(self) == self._values(other))


def _hash(self: Any) -> int:
    return hash(self._values(self))
