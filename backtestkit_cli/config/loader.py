"""Flags, `--set`, environment, `.env` and YAML into one config: every value with its origin, every mistake at once.

Precedence: flag > `--set` > environment > `.env` > YAML > default. Only the value that wins is checked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from backtestkit_cli.config.arguments import called_flag, from_flags, from_sets
from backtestkit_cli.config.complaints import complaints
from backtestkit_cli.config.environment import from_environment
from backtestkit_cli.config.flat import flat
from backtestkit_cli.config.layers import SECTIONS, Layers, Override, as_mapping
from backtestkit_cli.config.origins import Mistake, Origin, Rank, dotted
from backtestkit_cli.config.places import beside, change_paths, spell_out_home
from backtestkit_cli.config.schema import RunConfig
from backtestkit_cli.config.yaml_file import Document, read_yaml
from backtestkit_cli.errors import ConfigError

DEFAULT_CONFIG = Path("configs/demo.yaml")

_REQUIRED = {
    "symbols": "expected at least one symbol, found none: give --symbols, CC_SYMBOL_LIST or `symbols:` in a config",
    "entry": "expected a strategy, found none: give --entry, CC_ENTRY or `entry:` in a config",
    "frame": "expected a frame, found none: give --from and --to, --frame, CC_FRAME or `frame:` in a config",
}
_FIRST_KEYS = {"webhook": "url_env", "telegram": "token_env", "redis": "url_env"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """A config and where it came from.

    `settings_given` are the engine settings that some source named, so that a strategy's own
    defaults can lie between these and ours. `origins` has the source of every dotted key; a whole has
    that of its highest part. `given` is what was said beside the file, raw, by dotted key; `file_sha256`
    is that of the file as it was read.
    """

    config: RunConfig
    settings_given: dict[str, object]
    origins: dict[str, str]
    given: Mapping[str, object] = field(default_factory=dict)
    file: str | None = None
    file_sha256: str | None = None


def load_config(  # noqa: PLR0913 - one keyword a source, and what is special about it
    path: Path | None,
    *,
    flags: Mapping[str, object],
    sets: Sequence[str],
    environ: Mapping[str, str],
    dotenv: Path | None,
    required: Sequence[str] = ("symbols",),
    built_in: Callable[[str], Mapping[str, object] | None] = lambda _: None,
    default: Path | None = DEFAULT_CONFIG,
    called: Callable[[str], str] = called_flag,
) -> LoadedConfig:
    """Return the config that all sources make together.

    Args:
        path: A YAML file; None is *default* if that is there, else no file.
        flags: Values by config key, or by name of a setting, or `from` and `to`; None was not given.
        sets: `key=value` each, with dotted keys.
        environ: Variables; those that begin with `CC_`, and `BTK_DATA`, are ours.
        dotenv: A file of further variables, which need not be there.
        required: What must be given by some source: any of symbols, entry and frame.
        built_in: Returns what an exchange stands for that no source describes, by its name, or None.
        default: The file that is read where *path* names none; None reads none.
        called: Returns how messages name what gave a key of *flags*.

    Raises:
        ConfigError: something is wrong; `problems` has one line for every mistake, with its place.
    """
    file = default if path is None and default is not None and default.is_file() else path
    layers = Layers(built_in=built_in)
    mistakes: list[Mistake] = []
    document = None if file is None else read_yaml(file)
    if file is not None and document is not None:
        mistakes += _lay_file(file, document, layers)
    overrides: list[Override] = []
    for given in (*from_environment(environ, dotenv), *from_sets(sets), *from_flags(flags, called)):
        if isinstance(given, Override):
            overrides.append(given)
        else:
            mistakes.append(given)
    mistakes += layers.lay(overrides)
    spell_out_home(layers.tree)
    mistakes += _absent(required, layers, file)
    mistakes += _empty(layers)
    try:
        config = RunConfig.model_validate(layers.tree)
    except ValidationError as error:
        mistakes += (Mistake(layers.blamed_for(key), key, text) for key, text in complaints(error))
        raise _config_error(mistakes) from None
    if mistakes:
        raise _config_error(mistakes)
    return replace(
        _loaded(config, layers),
        given={".".join(one.key): one.value for one in sorted(overrides, key=lambda one: one.origin.rank)},
        file=None if file is None else str(file),
        file_sha256=None if document is None else document.sha256,
    )


def _lay_file(file: Path, document: Document, layers: Layers) -> list[Mistake]:
    """Put what *file* says at the bottom of *layers*."""
    change_paths(document.tree, beside(file.parent))
    # A section whose lines are all commented out says nothing.
    empty = [name for name in SECTIONS if document.tree.get(name) is None and name != "portfolio"]
    layers.tree.update({name: value for name, value in document.tree.items() if name not in empty})
    layers.origins.update({key: Origin(Rank.FILE, str(file), line) for key, line in document.lines.items()})
    return [Mistake(Origin(Rank.FILE, str(file), line), key, text) for line, key, text in document.mistakes]


def _empty(layers: Layers) -> list[Mistake]:
    """Return the mistakes of what has nothing below it: protection and messages that were meant are not left out."""
    places = {"portfolio": (layers.tree, "balance", "for a run without an account")}
    alerts = as_mapping(layers.tree.get("alerts"))
    places |= {f"alerts.{name}": (alerts, first, "to send nothing there") for name, first in _FIRST_KEYS.items()}
    mistakes = []
    for name, (part, first, purpose) in places.items():
        key = tuple(name.split("."))
        origin = layers.origin_of(key)
        if part.get(key[-1]) is None and origin.rank is Rank.FILE:
            text = f"expected a mapping with {first}, found nothing; {purpose} leave the key out"
            mistakes.append(Mistake(origin, key, text))
    return mistakes


def _absent(required: Sequence[str], layers: Layers, file: Path | None) -> list[Mistake]:
    """Return what no source gives; a key that is there but empty counts as not given."""
    somewhere = Origin(Rank.FILE, str(file) if file else "")
    mistakes = []
    for name, text in _REQUIRED.items():
        if layers.tree.get(name) is None:
            layers.tree.pop(name, None)
            if name in required:
                mistakes.append(Mistake(layers.origins.get((name,), somewhere), (name,), text))
    return mistakes


def _config_error(mistakes: Iterable[Mistake]) -> ConfigError:
    in_order = sorted(mistakes, key=lambda mistake: (mistake.origin.rank, mistake.origin.line))
    return ConfigError(list(dict.fromkeys(str(mistake) for mistake in in_order)))


def _loaded(config: RunConfig, layers: Layers) -> LoadedConfig:
    origins = {dotted(key): str(layers.origin_of(key)) for key in flat(config)}
    wholes = {key[:end] for key in flat(config) for end in range(1, len(key))}
    return LoadedConfig(
        config=config,
        settings_given={name: getattr(config.settings, name) for name in as_mapping(layers.tree.get("settings"))},
        origins={dotted(whole): str(layers.blamed_for(whole)) for whole in sorted(wholes)} | origins,
    )
