"""Every source of values of a config, written where `load_config` finds it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from backtestkit_cli.config.loader import LoadedConfig, load_config
from backtestkit_cli.errors import ConfigError

FILE = Path("configs/run.yaml")
DOTENV = Path(".env")


def load(
    text: str | bytes | None = None,
    *,
    flags: Mapping[str, object] | None = None,
    sets: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    dotenv: str | None = None,
    required: Sequence[str] = (),
) -> LoadedConfig:
    """Return the config that the given sources make; *text* is what `configs/run.yaml` holds."""
    if text is not None:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_bytes(text if isinstance(text, bytes) else text.encode())
    if dotenv is not None:
        DOTENV.write_text(dotenv, encoding="utf-8")
    return load_config(
        None if text is None else FILE,
        flags=flags or {},
        sets=sets,
        environ=environ or {},
        dotenv=DOTENV,
        required=required,
    )


def problems(
    text: str | bytes | None = None,
    *,
    flags: Mapping[str, object] | None = None,
    sets: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    dotenv: str | None = None,
    required: Sequence[str] = (),
) -> list[str]:
    """Return what is said about sources that hold mistakes; each is one line."""
    with pytest.raises(ConfigError) as caught:
        load(text, flags=flags, sets=sets, environ=environ, dotenv=dotenv, required=required)
    found = list(caught.value.problems)
    assert all(len(problem.splitlines()) == 1 for problem in found), found
    assert caught.value.exit_code == 2
    return found
