"""Messages to whoever listens on a channel of Redis, as JSON."""

from redis.asyncio import Redis
from redis.exceptions import RedisError

from backtestkit_cli.alerts.levels import Interest
from backtestkit_cli.alerts.message import Message, body_of
from backtestkit_cli.alerts.scrubbing import secrets_of
from backtestkit_cli.alerts.sinks import Delivered, Unreached, Verdict


class RedisChannel:
    """Publishes each message on one channel; it has arrived once the server has it, whoever listens there or not."""

    name = "redis"

    def __init__(self, url: str, channel: str, interest: Interest, timeout_seconds: float) -> None:
        """Publish on *channel* at *url* what *interest* includes; each step may take *timeout_seconds*.

        Raises:
            ValueError: *url* is none of Redis; what it says may be secret.
        """
        self.interest = interest
        self._url = url
        self._channel = channel
        self._client = Redis.from_url(
            url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, protocol=2, driver_info=None
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the URL and what is secret in it."""
        return secrets_of(self._url)

    async def send(self, message: Message) -> Verdict:
        """Publish *message* once."""
        try:
            await self._client.publish(self._channel, body_of(message))
        except (RedisError, OSError) as error:  # what it says may hold a part of the URL
            return Unreached(f"not reached, {type(error).__name__}")
        return Delivered()

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()
