"""Records as objects in S3: where they are, and how what is in them tells under which lease it was written.

A record that was written under a lease begins with the fence of that. It is in the content, for the ETag of many
servers is a digest of the content alone: a fence in the metadata would change nothing that a condition could see. For
the same reason each write has a number: a content that comes back later is not taken for the one that was replaced.
"""

import re
from base64 import b64decode, b64encode
from typing import NamedTuple

from backtestkit_cli.errors import StoreError
from backtestkit_cli.persistence.key_form import KeyForm
from backtestkit_cli.ports import Key

RECORD = ".json"
_LIMIT_BYTES = 1024
_NAME_CHARACTERS = 200
_GOES_ON = "%"
_FORM = KeyForm("/")
_HEAD = re.compile(
    rb'\{"fence":(\d+),"write":\d+,"holds":'
    rb'(?:"(?P<record>record)",|"bytes","base64":"(?P<bytes>(?:[A-Za-z0-9+/=]{4})*)"\}|"nothing"\})'
)
NOTHING_BYTES = 64
"""How large an object is, spaces at its end included, that says that nothing is there: listings tell the size."""


class Held(NamedTuple):
    """What an object holds: `content` is None where a record was removed; `fence` None where there was no lease."""

    etag: str
    fence: int | None
    content: bytes | None


def written(content: bytes | None, fence: int | None, write: int) -> bytes:
    """Return what an object holds that holds *content*, or that there is nothing."""
    if fence is None and content is not None and not content.startswith(b'{"fence":'):
        return content
    head = b'{"fence":%d,"write":%d,"holds":' % (fence or 0, write)
    if content is None:
        return (head + b'"nothing"}').ljust(NOTHING_BYTES)
    if content.startswith(b'{"'):
        return head + b'"record",' + content[1:]
    return head + b'"bytes","base64":"' + b64encode(content) + b'"}'


def read(stored: bytes, etag: str) -> Held:
    """Return what *stored* holds."""
    head = _HEAD.match(stored)
    if head is None:
        return Held(etag, None, stored)
    content = None
    if head["record"] is not None:
        content = b"{" + stored[head.end() :]
    elif head["bytes"] is not None:
        content = b64decode(head["bytes"])
    return Held(etag, int(head[1]) or None, content)


class Folder(NamedTuple):
    """The names of objects below a folder: virtual folders by the parts of keys.

    Names are cut after 200 characters, and go on in another folder, as servers that keep files take 255 at most.
    """

    path: str

    def stem(self, key: Key) -> str:
        """Return where what is below *key* is."""
        names = (_cut(part) for part in _FORM.text(key).split("/")) if key else ()
        return "/".join(filter(None, (self.path, *names)))

    def of(self, key: Key, suffix: str = RECORD) -> str:
        """Return the name of the object of *key*."""
        path = self.stem(key) + suffix
        if len(path) > _LIMIT_BYTES:
            raise StoreError(f"s3: the key {path[:40]}…: expected {_LIMIT_BYTES} bytes at most, found {len(path)}")
        return path

    def key(self, path: str, suffix: str = RECORD) -> Key | None:
        """Return the key of the object *path*, None where it is not one of ours."""
        text = path.removeprefix(f"{self.path}/" if self.path else "").removesuffix(suffix)
        key = _FORM.key(text.replace(_GOES_ON + "/", ""))
        return key if key is not None and self.stem(key) + suffix == path else None


def _cut(name: str) -> str:
    pieces = [name[at : at + _NAME_CHARACTERS] for at in range(0, len(name), _NAME_CHARACTERS)]
    return f"{_GOES_ON}/".join(pieces)
