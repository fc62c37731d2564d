"""Where in S3 a place of records is: what its URL says, and what of that obstore is told."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from backtestkit_cli.domain.stores import shown_url
from backtestkit_cli.errors import ConfigError, UnknownNameError

_FORM = "expected s3://bucket/folder?region=…&endpoint=http…"
_OPTIONS = ("endpoint", "region", "request_payer", "server_side_encryption", "sse_kms_key_id")
_SECRETS = ("key", "secret", "token", "password", "credential")
_BUCKET = re.compile(r"[A-Za-z0-9._-]+")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


class Address(NamedTuple):
    """A folder of a bucket, and what else obstore is told of it by name; no address holds a secret."""

    bucket: str
    folder: str
    options: Mapping[str, str]
    is_plain: bool
    """Whether requests go over plain HTTP."""

    @property
    def name(self) -> str:
        """Return what messages call it."""
        return f"s3://{self.bucket}/{self.folder}"

    @property
    def server(self) -> str:
        """Return what messages call the server."""
        endpoint = self.options.get("endpoint")
        return "the server" if endpoint is None else f"the server {shown_url(endpoint)}"


def address_of(url: str, prefix: str) -> Address:
    """Return what *url* and the *prefix* below it say; the endpoint may be in the environment, as for other programs.

    Raises:
        ConfigError: it is no such URL, or holds a key of access; the message does not repeat it.
    """
    try:
        parts = urlsplit(url)
        asked = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise ConfigError(f"store: {_FORM}, found what cannot be read as a URL") from error
    if "@" in parts.netloc or any(_is_secret(name) for name, _ in asked):
        places = "the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or the role of the machine"
        raise ConfigError(f"store: a key of access in the URL of S3: expected it in {places}, where no config shows it")
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc):
        raise ConfigError(f"store: {_FORM}, found the scheme {parts.scheme!r} and the bucket {parts.netloc!r}")
    for name, _ in asked:
        if name not in _OPTIONS:
            raise UnknownNameError("option", name, _OPTIONS, where="store: the URL of S3")
    options = dict(asked)
    endpoint = options.get("endpoint") or next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
    if endpoint:
        if not endpoint.startswith(("http://", "https://")):
            raise ConfigError(f"store: the endpoint of S3: expected http://… or https://…, found {endpoint!r}")
        options |= {"endpoint": endpoint, "aws_endpoint_url_s3": endpoint}  # the second wins over the first
    return Address(parts.netloc, _folder(unquote(parts.path), prefix), options, endpoint.startswith("http://"))


def _is_secret(name: str) -> bool:
    return name not in _OPTIONS and any(word in name.lower() for word in _SECRETS)


def _folder(*paths: str) -> str:
    names = [name for path in paths for name in path.split("/") if name]
    for name in names:
        if name in {".", ".."} or not name.isprintable():
            raise ConfigError(f"store: the folder in S3: expected plain names, found {name!r}")
    return "/".join(names)
