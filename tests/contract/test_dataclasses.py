"""``orchestrator.dataclasses`` against the standard library's: the same classes, made by both, behave alike."""

from __future__ import annotations

import ast
import copy
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import orchestrator

PACKAGE = Path(orchestrator.__file__).parent

SPECIMENS = '''
@dataclass(frozen=True, slots=True)
class Point:
    """A frozen one."""

    x: int
    y: int = 2
    names: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return self.x + self.y


@dataclass(slots=True)
class Basket:
    owner: str
    points: list[Point] = field(default_factory=list)
    by_name: dict[str, Point] = field(default_factory=dict)
    secret: str = field(default="s", repr=False)


@dataclass
class Counter:
    start: int = 0
    seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.now = self.start


@dataclass(frozen=True, slots=True)
class Folded:
    name: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Folded) and self.name.casefold() == other.name.casefold()

    def __hash__(self) -> int:
        return hash(self.name.casefold())

    def __repr__(self) -> str:
        return self.name


@dataclass
class Empty:
    pass


class Heir(Point):
    """Not decorated itself: it is made like a ``Point``."""

    def doubled(self) -> int:
        return 2 * self.x
'''


def made_by(source: str, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    imports = f"from __future__ import annotations\nfrom {source} import asdict, dataclass, field, fields, replace\n"
    exec(imports + SPECIMENS, module.__dict__)
    return module


@pytest.fixture(params=["dataclasses", "orchestrator.dataclasses"])
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Both are held to the same assertions: what the standard library does is what is expected."""
    return made_by(request.param, "specimens_of_both", monkeypatch)


def test_objects_are_made_by_position_and_by_name(made: Any) -> None:
    point = made.Point(1, names=("a",))
    assert (point.x, point.y, point.names, point.total) == (1, 2, ("a",), 3)
    assert made.Heir(4).doubled() == 8
    assert made.Heir(4) == made.Heir(4) != made.Point(4)
    made.Empty()


@pytest.mark.parametrize(
    "call",
    [
        lambda made: made.Point(),
        lambda made: made.Point(1, 2, (), 4),
        lambda made: made.Point(1, z=2),
        lambda made: made.Point(1, x=2),
        lambda made: made.replace(made.Point(1), z=2),
        lambda made: made.Empty(1),
        lambda made: hash(made.Basket("me")),
    ],
)
def test_a_wrong_call_is_a_type_error(made: Any, call: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError):
        call(made)
    with pytest.raises(TypeError):
        call(made)  # the second time nothing is made for the first time any more


def test_defaults_are_shared_and_factories_are_not(made: Any) -> None:
    one, other = made.Basket("me"), made.Basket("me")
    assert one == other
    one.points.append(made.Point(1))
    assert one != other and not other.points
    assert made.Counter(5).now == 5
    given: set[int] = {1}
    assert made.Counter(seen=given).seen is given


def test_the_text_names_the_fields(made: Any) -> None:
    assert repr(made.Point(1)) == "Point(x=1, y=2, names=())"
    assert repr(made.Basket("me")) == "Basket(owner='me', points=[], by_name={})"
    assert repr(made.Empty()) == "Empty()"
    assert repr(made.Folded("A")) == "A"


def test_equal_objects_have_one_hash_and_other_classes_are_never_equal(made: Any) -> None:
    assert len({made.Point(1), made.Point(1, 2), made.Point(2)}) == 2
    assert made.Point(1) != (1, 2, ())
    assert made.Empty() == made.Empty() != made.Counter()
    assert {made.Folded("A"), made.Folded("a")} == {made.Folded("A")}


def test_changed_copies_leave_the_first_alone(made: Any) -> None:
    point = made.Point(1)
    assert (made.replace(point, x=5), point.x) == (made.Point(5), 1)
    basket = made.Basket("me", [point])
    assert made.replace(basket, owner="you").points is basket.points
    for again in (copy.copy(basket), copy.deepcopy(basket), pickle.loads(pickle.dumps(basket))):
        assert again == basket and again is not basket


def test_fields_are_told_with_their_defaults_and_as_a_dictionary(made: Any) -> None:
    assert [each.name for each in made.fields(made.Basket)] == ["owner", "points", "by_name", "secret"]
    assert {each.name: each.default for each in made.fields(made.Point(1))} | {"x": 0} == {"x": 0, "y": 2, "names": ()}
    basket = made.Basket("me", [made.Point(1)], {"b": made.Point(2)})
    told = made.asdict(basket)
    one, other = ({"x": x, "y": 2, "names": ()} for x in (1, 2))
    assert told == {"owner": "me", "points": [one], "by_name": {"b": other}, "secret": "s"}
    told["points"].clear()
    assert basket.points


@pytest.mark.parametrize(("body", "error"), [("x: list[int] = []", ValueError), ("x: int = 1; y: int", TypeError)])
def test_a_class_that_could_not_work_is_refused_when_it_is_made(
    made: Any, body: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(error):
        exec(f"@dataclass\nclass Wrong: {body}", made.__dict__)


def test_slots_hold_nothing_else(made: Any) -> None:
    with pytest.raises(AttributeError):
        made.Basket("me").other = 1
    assert not hasattr(made.Point(1), "__dict__")
    match made.Point(7, 8):
        case made.Point(x, y):
            assert (x, y) == (7, 8)


def decorated() -> Iterator[tuple[str, ast.ClassDef, ast.expr]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield from ((file.name, node, each) for each in node.decorator_list if "dataclass" in ast.unparse(each))


def test_the_program_uses_only_its_own() -> None:
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text("utf-8")
        assert not re.search(r"^\s*(from|import) dataclasses\b", text, re.MULTILINE), file


def test_the_program_uses_no_more_than_that_part() -> None:
    found = list(decorated())
    names = {node.name for _, node, _ in found}
    assert len(found) > 100
    for file, node, decorator in found:
        options = {each.arg for each in decorator.keywords} if isinstance(decorator, ast.Call) else set()
        assert options <= {"frozen", "slots"}, (file, node.name)
        assert not names & {ast.unparse(base) for base in node.bases}, (file, node.name, "inherits fields")
        annotations = [ast.unparse(each.annotation) for each in node.body if isinstance(each, ast.AnnAssign)]
        assert not [each for each in annotations if "ClassVar" in each or "InitVar" in each], (file, node.name)
