"""YAML into plain values, with the line of each key and every mistake of form.

Scalars stay the text that was written, only null is None: what a text means is decided by the field
it is for. So none of the surprises of YAML 1.1 (`NO` is false, `1e-3` is a text, `1:30` is 90) gets in.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from backtestkit_cli.config.layers import as_mapping
from backtestkit_cli.config.origins import Key
from backtestkit_cli.errors import ConfigError

_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_STANDARD = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain values; `lines` of all keys and list entries, `mistakes` as (line, key, text).

    `sha256` is that of its bytes.
    """

    tree: dict[str, object] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    mistakes: list[tuple[int, Key, str]] = field(default_factory=list)
    sha256: str = ""


def read_yaml(file: Path) -> Document:
    """Return the mapping that *file* holds.

    Raises:
        ConfigError: there is no such file, or it is not a YAML mapping; the message names file and line.
    """
    raw = _read_bytes(file)
    text = _text(file, raw)
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        if node is None:
            raise ConfigError(f"{file}:1: expected a mapping with keys such as `symbols:`, found an empty file")
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(
                f"{file}:{_line(node)}: expected a mapping with keys such as `symbols:`, found {_kind(node)}"
            )
        document = Document(sha256=hashlib.sha256(raw).hexdigest())
        document.mistakes.extend(_mistakes_of_form(node, (), {}))
        document.tree.update(as_mapping(_plain(node, (), document.lines)))
    except yaml.YAMLError as error:
        line, problem = _syntax_error(error, text)
        raise ConfigError(f"{file}:{line}: not valid YAML: {problem}") from error
    except RecursionError as error:
        raise ConfigError(f"{file}:1: not valid YAML: nested too deeply") from error
    return document


def parse_value(text: str) -> object:
    """Return the plain value of a YAML scalar, `[list]` or `{mapping}`; nothing is None.

    Raises:
        ValueError: *text* is not YAML.
    """
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        return None if node is None else _plain(node, (), {})
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(text) from error


def _read_bytes(file: Path) -> bytes:
    if not file.exists():
        raise ConfigError(f"{file}: expected a config file, found none")
    if not file.is_file():
        raise ConfigError(f"{file}: expected a config file, found {'a folder' if file.is_dir() else 'something else'}")
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from error


def _text(file: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: expected text in UTF-8, found the byte 0x{raw[error.start]:02x}") from error


def _syntax_error(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Return the line, and what is wrong there."""
    if isinstance(error, yaml.reader.ReaderError):
        return text.count(
            "\n", 0, error.position
        ) + 1, f"it may not hold the character U+{ord(text[error.position]):04X}"
    mark = getattr(error, "problem_mark", None)
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    return (mark.line + 1 if mark else 1), ", ".join(part for part in parts if part)


def _mistakes_of_form(node: yaml.Node, key: Key, is_open: dict[int, bool]) -> Iterator[tuple[int, Key, str]]:
    """Yield what no config may have, and put merged keys (`<<`) in their place; a node is visited once."""
    if is_open.get(id(node)):
        raise yaml.MarkedYAMLError(problem="an alias within the value that it stands for", problem_mark=node.start_mark)
    if id(node) in is_open:
        return
    is_open[id(node)] = True
    if not node.tag.startswith(_STANDARD):
        yield _line(node), key, f"expected a plain value, found the tag {node.tag!r}"
    if isinstance(node, yaml.SequenceNode):
        for index, entry in enumerate(node.value):
            yield from _mistakes_of_form(entry, (*key, index), is_open)
    elif isinstance(node, yaml.MappingNode):
        yield from _mistakes_of_keys(node, key)
        for name, value in node.value:
            yield from _mistakes_of_form(value, (*key, str(name.value)), is_open)
        yaml.constructor.SafeConstructor().flatten_mapping(node)
    is_open[id(node)] = False


def _mistakes_of_keys(node: yaml.MappingNode, key: Key) -> Iterator[tuple[int, Key, str]]:
    first_at: dict[str, int] = {}
    for name, _ in node.value:
        if name.tag == _MERGE:
            continue
        if not isinstance(name, yaml.ScalarNode):
            yield _line(name), key, f"expected a name as key, found {_kind(name)}"
        elif name.value in first_at:
            yield (
                _line(name),
                (*key, name.value),
                f"expected the key once, found it again after line {first_at[name.value]}",
            )
        else:
            first_at[name.value] = _line(name)


def _plain(node: yaml.Node, key: Key, lines: dict[Key, int]) -> object:
    if isinstance(node, yaml.MappingNode):
        values: dict[str, object] = {}
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode):
                place = (*key, name.value)
                values[name.value] = _plain(value, place, lines)
                lines[place] = _line(name)
        return values
    if isinstance(node, yaml.SequenceNode):
        entries = []
        for index, entry in enumerate(node.value):
            entries.append(_plain(entry, (*key, index), lines))
            lines[*key, index] = _line(entry)
        return entries
    return None if node.tag == _NULL else str(node.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a single value"
