import pytest

from backtestkit_cli.alerts.scrubbing import Scrubber, secrets_of

TOKEN = "123456:a/token"  # noqa: S105 - made up
SCRUBBER = Scrubber([TOKEN, "ab"])


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        (f"POST /bot{TOKEN}/send", "POST /bot***/send"),
        ("POST /bot123456%3Aa%2Ftoken/send", "POST /bot***/send"),
        ("about nothing", "about nothing"),
    ],
)
def test_a_secret_is_found_as_it_is_and_as_a_url_says_it(text: str, scrubbed: str) -> None:
    assert SCRUBBER.text(text) == scrubbed


def test_text_is_scrubbed_at_any_depth() -> None:
    assert SCRUBBER.value({"a": [f"x {TOKEN}", 1, None], "b": {"c": TOKEN}}) == {
        "a": ["x ***", 1, None],
        "b": {"c": "***"},
    }


def test_the_keys_in_a_url_are_secrets_and_its_words_are_none() -> None:
    secrets = secrets_of("https://me:password@hooks.example/services/T0123456789abcdef?key=abcdefgh")
    assert set(secrets[1:]) == {"me", "password", "T0123456789abcdef", "abcdefgh"}
    assert secrets[0].startswith("https://")
