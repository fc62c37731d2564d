r"""Any text as the name of a file, and back, on every file system.

Names consist of `a-z 0-9 _ - + % =` only: no case, no dots, nothing that normalisation could change.
Small letters, digits, `_` and `-` stand for themselves, `+` changes between small and capital letters, all else is
`%` and the hex digits of a byte of its UTF-8: `BTCUSDT` is `+btcusdt`, `BTC/USDT` is `+btc%2fusdt`, `..` is `%2e%2e`.
A name too long for one file continues inside a folder that ends with `=`.
"""

import re
from string import ascii_lowercase, ascii_uppercase, digits

_PLAIN = frozenset(ascii_lowercase + digits + "_-")
_LETTERS = frozenset(ascii_lowercase + ascii_uppercase)
_LONGEST = 160
_MORE = "="
_TOKEN = re.compile(r"%([0-9a-f]{2})|(\+)|([a-z0-9_-])")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])")
"""Devices of Windows, where no file can have such a name."""


def encoded(text: str) -> tuple[str, ...]:
    """Return the folders and the file name that stand for *text*, which is not empty."""
    name = "".join(_written(text))
    if _RESERVED.fullmatch(name):
        name = f"%{ord(name[0]):02x}{name[1:]}"
    *folders, last = (name[at : at + _LONGEST] for at in range(0, len(name), _LONGEST))
    return *(folder + _MORE for folder in folders), last


def decoded(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the texts that *names* stand for, one after the other, None where `encoded` does not write such names."""
    texts, begun = [], ""
    for name in names:
        if name.endswith(_MORE):
            begun += name[: -len(_MORE)]
        else:
            text = _read(begun + name)
            if text is None:
                return None
            texts.append(text)
            begun = ""
    is_ours = not begun and tuple(part for text in texts for part in encoded(text)) == names
    return tuple(texts) if is_ours else None


def _written(text: str) -> list[str]:
    tokens, capitals = [], False
    for letter in text:
        if letter in _LETTERS and letter.isupper() != capitals:
            capitals = not capitals
            tokens.append("+")
        if letter.lower() in _PLAIN and letter.isascii():
            tokens.append(letter.lower())
        else:
            tokens += [f"%{byte:02x}" for byte in letter.encode("utf-8", "surrogatepass")]
    return tokens


def _read(name: str) -> str | None:
    content, capitals, at = bytearray(), False, 0
    while at < len(name):
        token = _TOKEN.match(name, at)
        if token is None:
            return None
        at = token.end()
        byte, switch, letter = token.groups()
        if byte:
            content.append(int(byte, 16))
        elif switch:
            capitals = not capitals
        else:
            content += (letter.upper() if capitals else letter).encode()
    try:
        return content.decode("utf-8", "surrogatepass") or None
    except UnicodeDecodeError:
        return None
