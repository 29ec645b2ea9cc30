"""A label's own rule: a condition over the answers, read as a small language of its own. Nothing of it is executed."""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["number", "text", "truth"]
Value: TypeAlias = float | str

MOST_CHARACTERS = 500
DEEPEST = 30
ALLOWED = "numbers, texts, the scales' names, + - * /, abs(), comparisons, in (...), and, or, not"

_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_ORDER: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_SAMENESS: tuple[type[ast.cmpop], ...] = (ast.Eq, ast.NotEq)
_MEMBERSHIP: tuple[type[ast.cmpop], ...] = (ast.In, ast.NotIn)


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition that was read.

    Attributes
    ----------
    text : str
    names : frozenset of str
        What it is about.
    """

    text: str
    names: frozenset[str]
    _tree: ast.expr

    def check(self, kinds: Mapping[str, Kind]) -> None:
        """Check that it is a condition over things of these kinds.

        Raises
        ------
        ValueError
            It names something else, mixes numbers and texts, or is no condition.
        """
        kind = _kind(self._tree, kinds)
        if kind != "truth":
            raise ValueError(f"{self.text!r} is a {kind}, no condition: compare it with something")

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether the condition holds; where a value that it names is missing it does not.

        What is divided by zero compares with nothing.
        """
        return self.names <= values.keys() and bool(_value(self._tree, values))


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Expression:
    """Read a condition such as ``"valence > 6 and emotion in ('joy', 'awe')"``.

    Raises
    ------
    ValueError
        It is too long, nested too deeply, or holds anything that is not allowed.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"an expression of more than {MOST_CHARACTERS} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text!r} cannot be read as an expression: {error}") from error
    _check_nodes(tree, text, DEEPEST)
    # The function's name is a word of the language, no scale.
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called}
    return Expression(text, frozenset(names), tree)


def _check_nodes(node: ast.AST, text: str, deepest: int) -> None:
    """Refuse every node but those of the language."""
    if deepest == 0:
        raise ValueError(f"{text!r} is nested too deeply")
    match node:
        case ast.BoolOp() | ast.Name():
            inner: list[ast.expr] = node.values if isinstance(node, ast.BoolOp) else []
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            inner = [node.operand]
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
            inner = [node.left, node.right]
        case ast.Compare() if all(_compares(op, right) for op, right in zip(node.ops, node.comparators, strict=True)):
            inner = [node.left]
            for right in node.comparators:
                inner += right.elts if isinstance(right, ast.Tuple | ast.List) else [right]
        case ast.Constant() if _is_constant(node.value):
            inner = []
        case ast.Call(func=ast.Name(id="abs"), args=[ast.expr() as argument], keywords=[]):
            inner = [argument]
        case _:
            found = ast.unparse(node)[:60]
            raise ValueError(f"{text!r}: {found!r} is not allowed in an expression; allowed are {ALLOWED}")
    for child in inner:
        _check_nodes(child, text, deepest - 1)


def _is_constant(value: object) -> bool:
    if isinstance(value, str):
        return True
    # `True` is an int to Python; a number beyond a float's range is none to this language.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _compares(op: ast.cmpop, right: ast.expr) -> bool:
    """Whether this is a comparison of the language; a list stands behind `in`, and only there."""
    if isinstance(op, _MEMBERSHIP):
        return isinstance(right, ast.Tuple | ast.List) and bool(right.elts)
    return isinstance(op, (*_ORDER, *_SAMENESS)) and not isinstance(right, ast.Tuple | ast.List)


def _kind(node: ast.expr, kinds: Mapping[str, Kind]) -> Kind:
    match node:
        case ast.Name():
            if node.id not in kinds:
                raise ValueError(f"{node.id!r} is not reported; known here: {', '.join(sorted(kinds)) or 'nothing'}")
            return kinds[node.id]
        case ast.Constant():
            return "text" if isinstance(node.value, str) else "number"
        case ast.BoolOp():
            return _all(node.values, "truth", kinds)
        case ast.UnaryOp(op=ast.Not()):
            return _all([node.operand], "truth", kinds)
        case ast.UnaryOp():
            return _all([node.operand], "number", kinds)
        case ast.Call():
            return _all(node.args, "number", kinds)
        case ast.BinOp():
            return _all([node.left, node.right], "number", kinds)
        case ast.Compare():
            ordered = any(isinstance(op, tuple(_ORDER)) for op in node.ops)
            sides = [node.left]
            for right in node.comparators:
                sides += right.elts if isinstance(right, ast.Tuple | ast.List) else [right]
            _all(sides, "number" if ordered else _kind(node.left, kinds), kinds)
            return "truth"
    raise AssertionError(f"no node of the language: {ast.dump(node)}")


def _all(nodes: list[ast.expr], expected: Kind, kinds: Mapping[str, Kind]) -> Kind:
    for node in nodes:
        found = _kind(node, kinds)
        if found != expected:
            raise ValueError(f"{ast.unparse(node)!r} is a {found} where a {expected} is expected")
    return expected


def _value(node: ast.expr, values: Mapping[str, Value]) -> Value | bool:
    match node:
        case ast.Name():
            return values[node.id]
        case ast.Constant():
            return node.value if isinstance(node.value, str) else _number(node.value)
        case ast.BoolOp():
            truths = (bool(_value(inner, values)) for inner in node.values)
            return all(truths) if isinstance(node.op, ast.And) else any(truths)
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, values)
        case ast.UnaryOp():
            return -_number(_value(node.operand, values))
        case ast.Call():
            return abs(_number(_value(node.args[0], values)))
        case ast.BinOp():
            return _calculated(node.op, _number(_value(node.left, values)), _number(_value(node.right, values)))
        case ast.Compare():
            return _compared(node, values)
    raise AssertionError(f"no node of the language: {ast.dump(node)}")


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number: the expression was not checked")
    return float(value)


def _calculated(op: ast.operator, left: float, right: float) -> float:
    if isinstance(op, ast.Div):
        return left / right if right != 0 else math.nan
    return _ARITHMETIC[type(op)](left, right)


def _compared(node: ast.Compare, values: Mapping[str, Value]) -> bool:
    """A chain of comparisons, as in ``4 < valence < 6``."""
    left = _value(node.left, values)
    for op, comparator in zip(node.ops, node.comparators, strict=True):
        if isinstance(comparator, ast.Tuple | ast.List):
            found = any(left == _value(element, values) for element in comparator.elts)
            right, holds = left, found == isinstance(op, ast.In)
        else:
            right = _value(comparator, values)
            if isinstance(op, _SAMENESS):
                # Not a number differs from nothing either: no condition holds of it.
                known = not any(isinstance(side, float) and math.isnan(side) for side in (left, right))
                holds = known and (left == right) == isinstance(op, ast.Eq)
            else:
                holds = _ORDER[type(op)](_number(left), _number(right))
        if not holds:
            return False
        left = right
    return True
