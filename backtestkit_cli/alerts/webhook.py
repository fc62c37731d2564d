"""Messages to a URL, as JSON."""

import hmac

from backtestkit_cli.alerts.levels import Interest
from backtestkit_cli.alerts.message import Message, body_of
from backtestkit_cli.alerts.posting import Poster, Reply
from backtestkit_cli.alerts.scrubbing import secrets_of
from backtestkit_cli.alerts.sinks import Verdict

SIGNATURE_HEADER = "X-Btk-Signature"


class Webhook:
    """Posts each message to one URL, signed where there is a secret to sign with."""

    name = "webhook"

    def __init__(self, url: str, secret: str, interest: Interest, poster: Poster) -> None:
        """Post to *url* what *interest* includes; an empty *secret* signs nothing."""
        self.interest = interest
        self._url = url
        self._secret = secret
        self._poster = poster

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the URL, what is secret in it, and the secret of the signature."""
        return (*secrets_of(self._url), *filter(None, [self._secret]))

    async def send(self, message: Message) -> Verdict:
        """Post *message* once."""
        body = body_of(message)
        headers = {SIGNATURE_HEADER: signature(self._secret, body)} if self._secret else {}
        reply = await self._poster.post(self._url, body, headers)
        return reply.verdict if isinstance(reply, Reply) else reply

    async def close(self) -> None:
        """Let go of connections."""
        await self._poster.close()


def signature(secret: str, body: bytes) -> str:
    """Return HMAC-SHA256 of *body* as the header says it, `sha256=` and 64 hexadecimal digits."""
    return f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}"
