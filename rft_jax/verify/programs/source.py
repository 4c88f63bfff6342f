"""From a response to a program's syntax tree: which text is the program, and is it small enough.

The program of a response is, by the first rule that applies:

1. the last fenced block that says `python` or `py`, or, where none does, the last without a name; a
   block that is not closed ends with the response;
2. the whole response, where it parses;
3. the lines from the first to the last that look like code, prose before and after them dropped.
"""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache

from rft_jax.verify.programs.limits import BudgetSpent, Limits, ProgramError
from rft_jax.verify.programs.nodes import children

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*(\w*)[^\n]*$", re.MULTILINE)
_PYTHON = ("python", "python3", "py")
_CODE_LINE = re.compile(
    r"(?:(?:import|from|def|for|while|if|elif|else|return|print|try|except|assert)\b.*[:)\w]"
    r"|[A-Za-z_][\w.\[\]'\", ]*(?:[-+*/%]|//|\*\*)?=(?!=).*\S"
    r"|[A-Za-z_][\w.]*\(.*\)|[ \t]+\S.*|#.*|\s*)$"
)
# Nodes without an expression or a statement in them.
_LEAVES = frozenset((ast.Name, ast.Constant))
_HOLD_STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)
_LOOPS = (ast.For, ast.While)
_SIMPLE = frozenset((ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return))
_QUOTED = re.compile(
    r"""'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|#[^\n]*""", re.DOTALL
)
# What a level of brackets or signs begins with.
_OPENING = ("(", "[", "{", "-", "+", "~", "not", "lambda", "await")
_SIGNS = re.compile(r"(?:[-+~]\s*|\bnot\s+|\blambda\s*:\s*|\bawait\s+)+")


def read_program(response: str) -> str:
    """The program that a response gives, by the rules of this module; '' where there is none."""
    blocks = _fenced_blocks(response)
    if blocks:
        named = [text for name, text in blocks if name.lower() in _PYTHON]
        unnamed = [text for name, text in blocks if not name]
        return (named or unnamed or [""])[-1]
    try:
        parse_program(response, Limits())
    except ProgramError:
        return _code_lines(response) or response
    return response


def _fenced_blocks(response: str) -> list[tuple[str, str]]:
    blocks: list[tuple[str, str]] = []
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(response):
        if opened is None:
            opened = fence
        else:
            blocks.append((opened[1], response[opened.end() : fence.start()]))
            opened = None
    if opened is not None:
        blocks.append((opened[1], response[opened.end() :]))
    return blocks


def _code_lines(response: str) -> str:
    lines = response.splitlines()
    code = [i for i, line in enumerate(lines) if line.strip() and _CODE_LINE.fullmatch(line)]
    return "\n".join(lines[code[0] : code[-1] + 1]) if code else ""


@lru_cache(maxsize=4)  # reading, evaluating and spelling a response want the same tree
def parse_program(source: str, limits: Limits) -> ast.Module:
    """The syntax tree of a program, which nobody changes.

    Raises:
      ProgramError: it is not Python (kind syntax), or too long or too deep (kind limit).
    """
    if len(source) > limits.source_chars:
        raise BudgetSpent("characters of source", limits.source_chars)
    _check_brackets(source, limits.nesting)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes and comparisons that look odd
            tree = ast.parse(source.removeprefix("\ufeff"))
    except (RecursionError, MemoryError):
        raise BudgetSpent("levels of nesting", limits.nesting) from None
    except (SyntaxError, ValueError) as error:  # ValueError: NUL, lone surrogates, long numbers
        detail = getattr(error, "msg", str(error))
        raise ProgramError("syntax", detail[:200], getattr(error, "lineno", None)) from None
    _check_depth(tree, limits.nesting)
    _check_placement(tree)
    return tree


def _check_brackets(source: str, limit: int) -> None:
    """Refuses what would take the parser deep, before it is asked."""
    if sum(map(source.count, _OPENING)) <= limit:
        return
    plain = _QUOTED.sub("''", source)
    depth = 0
    for bracket in re.findall(r"[][(){}]", plain):
        depth += 1 if bracket in "([{" else -1
        if depth > limit:
            raise BudgetSpent("levels of nesting", limit)
    if any(len(signs[0]) > limit for signs in _SIGNS.finditer(plain)):
        raise BudgetSpent("levels of nesting", limit)


def _check_depth(tree: ast.Module, limit: int) -> None:
    """Refuses deep trees; a long sum, which leans to the left, counts as one level."""
    level: list[ast.AST] = [tree]
    for _ in range(limit):
        level = [child for node in level for child in _nested(node)]
        if not level:
            return
    raise BudgetSpent("levels of nesting", limit)


def _nested(node: ast.AST) -> list[ast.AST]:
    """The nodes within a node that may hold others; of a sum, all of its terms."""
    if type(node) is not ast.BinOp:
        return [child for child in children(node) if type(child) not in _LEAVES]
    terms: list[ast.AST] = []
    while type(node) is ast.BinOp:
        terms.append(node.right)
        node = node.left
    return [child for child in (*terms, node) if type(child) not in _LEAVES]


def _check_placement(tree: ast.Module) -> None:
    """Refuses what CPython's compiler refuses and its parser does not."""
    waiting: list[tuple[ast.AST, bool, bool]] = [(node, False, False) for node in tree.body]
    while waiting:
        node, in_function, in_loop = waiting.pop()
        if not isinstance(node, _HOLD_STATEMENTS):
            continue
        kind = type(node)
        if kind is ast.Return and not in_function:
            raise ProgramError("syntax", "'return' outside function")
        if kind in (ast.Break, ast.Continue) and not in_loop:
            raise ProgramError("syntax", f"{kind.__name__.lower()} outside loop")
        if kind is ast.Nonlocal and not in_function:
            raise ProgramError("syntax", "nonlocal declaration not allowed at module level")
        if kind is ast.FunctionDef:
            in_function, in_loop = True, False
        if isinstance(node, _LOOPS):
            waiting += [(child, in_function, True) for child in node.body]
            waiting += [(child, in_function, in_loop) for child in node.orelse]
        elif kind not in _SIMPLE:
            waiting += [(child, in_function, in_loop) for child in children(node)]
