"""Flag > --set > environment > .env > YAML > default, for every pair, and every value knows where it came from."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.domain.settings import Settings
from tests.config.sources import load

SOURCES = ("YAML", ".env", "environment", "set", "flag")  # the later wins
ORIGINS = {
    "YAML": "configs/run.yaml:",
    ".env": ".env:",
    "environment": "environment CC_",
    "set": "flag --set",
    "flag": "flag --",
}
# A key as it is called by each source, and a value for each source.
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "fee_pct": ("0.01", "0.02", "0.03", "4e-2", "0.05"),
    "max_minutes": ("10", "20", "30", "4e1", "50"),
    "fill_model": ("vwap", "candle", "vwap", "candle", "vwap"),
    "gaps": ("error", "fill", "error", "fill", "error"),
}
TOPS: Mapping[str, tuple[str, ...]] = {
    "symbols": ("A1", "B1,B2", "C1,C2,C3", "D1", "E1"),
    "entry": ("one.module", "two.module", "three.module", "four.module", "five.module"),
    "strategy": ("one", "two", "three", "four", "five"),
    "exchange": ("one", "two", "three", "four", "five"),
    "frame": ("one", "two", "three", "four", "five"),
    "out": ("one", "two", "three", "four", "five"),
    "workers": ("1", "2", "3", "4", "5"),
    "max_concurrent": ("1", "2", "3", "4", "5"),
}
KEYS = {**SETTINGS, **TOPS}


def from_sources(given_by: Mapping[str, Mapping[str, str]]) -> LoadedConfig:
    """Return the config of {source: {key: text}}."""
    lines: dict[str, list[str]] = {source: [] for source in SOURCES} | {"settings": ["settings:"]}
    environ: dict[str, str] = {}
    flags: dict[str, object] = {}
    for source, values in given_by.items():
        for key, text in values.items():
            variable = "CC_SYMBOL_LIST" if key == "symbols" else f"CC_{key.upper()}"
            match source:
                case "YAML" if key in SETTINGS:
                    lines["settings"].append(f"  {key}: {text}")
                case "YAML":
                    lines[source].append(f"{key}: {text}")
                case ".env":
                    lines[source].append(f"{variable}={text}")
                case "environment":
                    environ[variable] = text
                case "set":
                    lines[source].append(f"{key}={text}")
                case _:
                    flags[key] = text.split(",") if key == "symbols" else text
    return load(
        "\n".join([*lines["YAML"], *lines["settings"]]) if "YAML" in given_by else None,
        flags=flags,
        sets=lines["set"],
        environ=environ,
        dotenv="\n".join(lines[".env"]),
    )


def value_of(loaded: LoadedConfig, key: str) -> Any:
    return getattr(loaded.config.settings if key in SETTINGS else loaded.config, key)


def origin_of(loaded: LoadedConfig, key: str) -> str:
    return loaded.origins[f"settings.{key}" if key in SETTINGS else key]


def as_read(key: str, text: str) -> Any:
    if key == "fee_pct":
        return float(text)
    if key in {"max_minutes", "workers", "max_concurrent"}:
        return int(float(text))
    if key == "symbols":
        return tuple(text.split(","))
    return [text] if key == "strategy" else text


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(("lower", "higher"), list(combinations(SOURCES, 2)))
def test_the_higher_source_wins(key: str, lower: str, higher: str) -> None:
    texts = dict(zip(SOURCES, KEYS[key], strict=True))
    loaded = from_sources({lower: {key: texts[lower]}, higher: {key: texts[higher]}})
    assert value_of(loaded, key) == as_read(key, texts[higher])
    assert origin_of(loaded, key).startswith(ORIGINS[higher])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_beats_the_default(key: str, source: str) -> None:
    text = dict(zip(SOURCES, KEYS[key], strict=True))[source]
    loaded = from_sources({source: {key: text}})
    assert value_of(loaded, key) == as_read(key, text)
    assert origin_of(loaded, key).startswith(ORIGINS[source])


def test_origins_name_line_variable_and_flag() -> None:
    loaded = load(
        "out: there\nsettings:\n  fee_pct: 1\n  gaps: error\nexchange:\n  kind: demo\n",
        dotenv="# mine\n\nCC_WORKERS=2\n",
        environ={"CC_MAX_MINUTES": "7", "HOME": "/root"},
        sets=["exchange.seed=3"],
        flags={"symbols": ["A"], "fill_model": "candle", "max_concurrent": 2, "frame": None},
    )
    assert (
        loaded.origins
        | {
            "out": "configs/run.yaml:1",
            "settings.fee_pct": "configs/run.yaml:3",
            "settings.gaps": "configs/run.yaml:4",
            "settings.slippage_pct": "default",
            "exchange.kind": "configs/run.yaml:6",
            "exchange.name": "default",
            "exchange.seed": "flag --set",
            "workers": ".env:3",
            "settings.max_minutes": "environment CC_MAX_MINUTES",
            "symbols": "flag --symbols",
            "settings.fill_model": "flag --fill-model",
            "max_concurrent": "flag --max-concurrent",
            "frame": "default",
        }
        == loaded.origins
    )


def test_settings_given_are_those_that_a_source_names() -> None:
    loaded = load("settings: {fee_pct: 0.1}\n", environ={"CC_GAPS": "error"}, sets=["max_minutes=null"])
    assert loaded.settings_given == {"fee_pct": 0.1, "gaps": "error", "max_minutes": None}
    assert load().settings_given == {}


def test_a_flag_that_is_none_was_not_given() -> None:
    loaded = load("out: there\n", flags={"out": None, "symbols": None, "fill_model": None, "from": None, "to": None})
    assert loaded.config.out == "there"


def test_the_last_of_two_sets_wins() -> None:
    assert load(sets=["fee_pct=1", "settings.fee_pct=2"]).config.settings.fee_pct == 2
    assert load(sets=["settings.fee_pct=2", "fee_pct=1"]).config.settings.fee_pct == 1


def test_a_set_of_all_settings_adds_to_those_of_other_sources() -> None:
    loaded = load("settings: {gaps: error, fee_pct: 1}\n", sets=["settings={fee_pct: 2}"], environ={"CC_FEE_PCT": "3"})
    assert loaded.settings_given == {"gaps": "error", "fee_pct": 2}
    assert loaded.origins["settings.fee_pct"] == "flag --set"


subsets = st.lists(st.sampled_from(SOURCES), unique=True)
anything = st.fixed_dictionaries(dict.fromkeys(KEYS, subsets))


@given(anything)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_origins_name_the_source_of_the_winning_value(sources_of: Mapping[str, list[str]]) -> None:
    texts = {key: dict(zip(SOURCES, values, strict=True)) for key, values in KEYS.items()}
    given_by: dict[str, dict[str, str]] = {}
    for key, sources in sources_of.items():
        for source in sources:
            given_by.setdefault(source, {})[key] = texts[key][source]
    loaded = from_sources(given_by)
    for key, sources in sources_of.items():
        if not sources:
            assert origin_of(loaded, key) == "default"
            continue
        winner = max(sources, key=SOURCES.index)
        assert value_of(loaded, key) == as_read(key, texts[key][winner])
        assert origin_of(loaded, key).startswith(ORIGINS[winner])
        if winner in {"YAML", ".env"}:
            file, _, line = origin_of(loaded, key).rpartition(":")
            assert texts[key][winner] in Path(file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert set(loaded.settings_given) == {key for key in SETTINGS if sources_of[key]}


def test_without_any_source_everything_is_the_default() -> None:
    loaded = load()
    assert loaded.config.exchange == "demo"
    assert loaded.config.entry is None
    assert loaded.config.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
