"""Keys as one text and back, for places whose keys are texts; no two keys share one, whatever is in their parts."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from backtestkit_cli.ports import Key

_PLAIN = "-_.~"
"""What stands for itself besides letters and digits; all else is `%` and the hex digits of a byte of its UTF-8."""


@dataclass(frozen=True, slots=True)
class KeyForm:
    """Writes the parts of a key one after the other, with `separator` between them, which no part can hold.

    `BTC/USDT:USDT` is `BTC%2FUSDT%3AUSDT`. A part of dots alone is all in hex, for it could lead to another folder.
    """

    separator: str

    def text(self, key: Key) -> str:
        """Return *key* as one text of printable ASCII."""
        return self.separator.join(map(_encoded, key))

    def key(self, text: str) -> Key | None:
        """Return the key that *text* stands for, None where `text` does not write such a thing."""
        try:
            key = tuple(unquote(part, errors="surrogatepass") for part in text.split(self.separator))
        except UnicodeDecodeError:
            return None
        return key if all(key) and self.text(key) == text else None


def _encoded(part: str) -> str:
    text = quote(part, safe=_PLAIN, errors="surrogatepass")
    return text.replace(".", "%2E") if not part.strip(".") else text
