"""YAML as a person reads it: the scalars of YAML 1.2, and a refusal of what readers of YAML take for different things.

References:
    YAML 1.2.2, section 10.3, the core schema, 2021.
    YAML 1.1, working draft, 2005: what directories of 0.1 are read by.
"""

import functools
import re
from collections.abc import Callable, Hashable
from typing import Any

import yaml

CORE = "tag:yaml.org,2002:"
AMBIGUOUS = "tag:invfront:ambiguous"

DEEPEST, MOST = 50, 100_000
"""Levels of a document, and values with every alias written out."""

LARGEST = 2**63
"""Whole numbers lie below it: what a database column holds."""

Loader = type[yaml.SafeLoader]

_INTEGER = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_NULL = re.compile(r"~|null|Null|NULL|")

_SWITCH = re.compile(r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF")
_OCTAL = re.compile(r"[-+]?0[0-9]+")
_BASED = re.compile(r"[-+]?0(b[01_]+|o[0-7_]+)")
_UNDERSCORES = re.compile(r"[-+]?([.0-9][0-9_.]*_[0-9_.]*([eE][-+]?[0-9]+)?|0x[0-9a-fA-F]*_[0-9a-fA-F_]*)")
_SIXTIES = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_UNCLEAR = re.compile("|".join(f"(?:{form.pattern})" for form in (_SWITCH, _OCTAL, _BASED, _UNDERSCORES, _SIXTIES)))

_FLOAT_OF_0_1 = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$")
"""Numbers with an exponent, which YAML 1.1 takes for text unless they have a point and a sign."""


def parsed(text: bytes) -> Any:
    """Return a YAML text as a value; a study's own file of 0.1 is read by the rules of that version.

    Raises:
        ValueError: it is not YAML, or readers of YAML disagree on what it says; names the place in one line.
    """
    if b"ledger" in text:
        try:
            old = _constructed(text, _ReaderOf01)
        except ValueError:
            old = None
        if isinstance(old, dict) and old.get("ledger") and str(old.get("version", "0.1")) == "0.1":
            return old
    return _constructed(text, _Reader)


def dumped(mapping: dict[str, Any]) -> str:
    """Return YAML that loads as the same mapping, its keys in the same order."""
    text: str = yaml.dump(mapping, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110)
    return text


def _constructed(text: bytes, kind: Loader) -> Any:
    try:
        loader = kind(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_knots(node)
        return loader.construct_document(node)
    except _Unclear as error:
        raise ValueError(
            f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {error.problem}"
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"not YAML: {place}{error.problem or error.context}; mend it there") from error
    except RecursionError as error:
        raise ValueError(f"not YAML: nested deeper than {DEEPEST} levels; take a level away") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}; mend it there") from error


def _refuse_knots(root: yaml.Node) -> None:
    """Refuse a document that contains itself, or that would not fit once its aliases are written out."""
    left: list[tuple[yaml.Node, tuple[int, ...], int]] = [(root, (), 0)]
    count = 0
    while left:
        node, above, depth = left.pop()
        count += 1
        if id(node) in above:
            raise _at(node, "contains itself by an alias; write it out")
        if depth > DEEPEST:
            raise _at(node, f"nested deeper than {DEEPEST} levels; take a level away")
        if count > MOST:
            raise _at(node, f"more than {MOST:,} values once every alias is written out; take some away")
        if not isinstance(node, yaml.ScalarNode):
            below = node.value if isinstance(node, yaml.SequenceNode) else [one for pair in node.value for one in pair]
            left += [(one, (*above, id(node)), depth + 1) for one in below]


class _Unclear(yaml.constructor.ConstructorError):  # type: ignore[misc]  # yaml ships no types
    """A scalar that readers of YAML take for different things."""


def _at(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


class _Unique(yaml.SafeLoader):  # type: ignore[misc]  # yaml ships no types
    """Safe YAML in which no mapping names a key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            merges = key_node.tag == f"{CORE}merge"
            key = "<<" if merges else self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise _at(key_node, f"key {key!r} stands twice")
            seen.add(key if isinstance(key, Hashable) else None)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


class _ReaderOf01(_Unique):
    """YAML 1.1 in which ``1e-3`` is a number."""


class _Reader(_Unique):
    """The core schema of YAML 1.2, with merge keys."""

    yaml_implicit_resolvers: dict[str | None, list[Any]] = {}  # noqa: RUF012  # PyYAML's own way
    yaml_constructors: dict[str | None, Callable[..., Any]] = {}  # noqa: RUF012


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # yaml ships no types
    """Safe YAML that both readers read back as it was: what either takes for more than text is put in quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _unclear(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    text = node.value
    one, other = _readings(text)
    problem = f"{text} is {one} to some readers of YAML and {other} to others; write {one}, or '{text}' for text"
    raise _Unclear(None, None, problem, node.start_mark)


def _readings(text: str) -> tuple[str, str]:
    """Return what an unclear scalar is to a reader who takes it for more than text, and to another."""
    sign, digits = re.fullmatch(r"([-+]?)(.*)", text.replace("_", "")).groups()  # type: ignore[union-attr]
    if _SWITCH.fullmatch(text):
        return ("true" if text.lower() in ("yes", "on") else "false"), "text"
    if _OCTAL.fullmatch(text):
        octal = set(digits) - {"0"} and not {"8", "9"} & set(digits)
        return str(int(sign + digits)), str(int(sign + digits, 8)) if octal else "text"
    if ":" in text:
        sixties = functools.reduce(lambda high, low: 60 * high + float(low), digits.split(":"), 0.0)
        return f"{sign}{sixties:.15g}", "text"
    if digits.startswith(("0b", "0o")):
        return f"{sign}{int(digits[2:] or '0', 2 if digits.startswith('0b') else 8)}", "text"
    return f"{sign}{digits.lstrip('0') or '0'}" if digits.isdecimal() else sign + digits, "text"


def _whole(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    if not _INTEGER.fullmatch(text):
        raise _at(node, f"{text!r} is no whole number")
    if len(text) > 20 or abs(value := int(text, 0 if "x" in text else 10)) >= LARGEST:
        raise _at(node, f"{text[:20]}... has {len(text)} digits; a whole number lies below {LARGEST:,}")
    return value


def _real(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node)
    if not _FLOAT.fullmatch(text):
        raise _at(node, f"{text!r} is no number")
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _boolean(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    text = loader.construct_scalar(node)
    if not _BOOLEAN.fullmatch(text):
        raise _at(node, f"{text!r} is neither true nor false")
    return bool(text.lower() == "true")


def _unknown(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    raise _at(node, f"the tag {node.tag.replace(CORE, '!!')} is not for study files; leave it out")


_FORMS = {
    AMBIGUOUS: (_UNCLEAR, "-+.0123456789yYnNoO"),
    f"{CORE}null": (_NULL, "~nN"),
    f"{CORE}bool": (_BOOLEAN, "tTfF"),
    f"{CORE}int": (_INTEGER, "-+0123456789"),
    f"{CORE}float": (_FLOAT, "-+.0123456789"),
    f"{CORE}merge": (re.compile("<<"), "<"),
}
"""Plain scalars by their tag, the first that fits, with the characters that they begin with."""

for _side in (_Reader, _Dumper):
    for _tag, (_form, _begins) in _FORMS.items():
        _side.add_implicit_resolver(_tag, re.compile(f"(?:{_form.pattern})$"), [*_begins, ""])
_ReaderOf01.add_implicit_resolver(f"{CORE}float", _FLOAT_OF_0_1, list("-+.0123456789"))

for _name, _constructor in {
    f"{CORE}null": yaml.SafeLoader.construct_yaml_null,
    f"{CORE}bool": _boolean,
    f"{CORE}int": _whole,
    f"{CORE}float": _real,
    f"{CORE}str": yaml.SafeLoader.construct_yaml_str,
    f"{CORE}seq": yaml.SafeLoader.construct_yaml_seq,
    f"{CORE}map": yaml.SafeLoader.construct_yaml_map,
    AMBIGUOUS: _unclear,
    None: _unknown,
}.items():
    _Reader.add_constructor(_name, _constructor)
