"""Messages about a run to those who are elsewhere: a webhook and a chat of Telegram, through an outbox."""
