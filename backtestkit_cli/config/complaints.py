"""What pydantic found wrong with a config, in our words."""

from collections.abc import Iterable, Iterator, Mapping
from typing import get_type_hints

from pydantic import BaseModel, ValidationError

from backtestkit_cli.config.exchanges import EXCHANGES
from backtestkit_cli.config.origins import Key
from backtestkit_cli.config.risks import in_risks, rule_hint, rule_parts
from backtestkit_cli.config.schema import ALERT_PLACES, VALUES, FrameConfig, RunConfig, settings_names
from backtestkit_cli.config.sizings import sizing_complaint
from backtestkit_cli.config.store_keys import place_hint, unknown_store_key, whole_words
from backtestkit_cli.config.wording import alternatives, choices, expected, found, is_secret, near
from backtestkit_cli.errors import suggestion
from backtestkit_cli.policies.risk.catalogue import RULES
from backtestkit_cli.policies.risk.rule import field_hints

_AN_EXCHANGE = "a mapping with kind"
_WHOLES = {
    "groups": "a list of symbols",
    "exchanges": _AN_EXCHANGE,
    "frames": "a mapping with from and to",
    "alerts": "a mapping or null",
}


def complaints(error: ValidationError) -> Iterator[tuple[Key, str]]:
    """Yield the key and the text of every mistake that *error* reports."""
    for detail in error.errors(include_url=False):
        key = _key(detail["loc"])
        given = detail["input"]
        match detail["type"]:
            case "problems":
                for place, text in detail["ctx"]["problems"]:
                    yield key + place, text
            case kind if key[0] == "sizings" and len(key) > 1:
                place, text = sizing_complaint(detail["loc"][2:], kind, given)
                yield key[:2] + place, text
            case "extra_forbidden" | "unexpected_keyword_argument":
                yield key, _unknown_key(key, detail["loc"])
            case "missing":
                yield key, _missing(key)
            case "union_tag_not_found" | "union_tag_invalid":
                yield _kind_complaint(key, given)
            case "enum" | "literal_error" if _hint_at(key) is not None:
                names = choices(_hint_at(key))
                yield key, f"expected {_expected_at(key)}, found {found(given)}{near(given, names)}"
            case _:
                yield key, f"expected {_expected_at(key)}, found {found(given)}"


def _key(loc: tuple[int | str, ...]) -> Key:
    """Return *loc* without the tags that pydantic puts in for the forms of a union."""
    if loc[0] == "risks":
        return in_risks(loc)
    tag_at = {"exchange": 1, "frame": 1, "exchanges": 2, "sizings": 2}.get(str(loc[0]), len(loc))
    return loc[:tag_at] + loc[tag_at + 1 :]


def _expected_at(key: Key) -> str:
    hint = _hint_at(key)
    if hint is not None:
        return expected(hint)
    match key:
        case ("store", *rest):
            return whole_words(tuple(rest))
        case ("risks", _, *rest):
            return rule_parts(str(rest[0])) if rest else "a mapping of rules"
        case (str(section), _) if section in _WHOLES:
            return _WHOLES[section]
        case _:
            pass
    models: tuple[type[BaseModel], ...] = (RunConfig, FrameConfig, *EXCHANGES.values())
    described = {
        field.alias or name: field.description for model in models for name, field in model.model_fields.items()
    }
    return next((words for part in reversed(key) if (words := described.get(str(part)))), "another value")


def _hint_at(key: Key) -> object:
    """Return the type of a value whose type says what was expected, None for any other."""
    match key:
        case ("alerts", str(place)) if place in ALERT_PLACES:
            return None
        case ("alerts", str(place), str(name)):
            return get_type_hints(ALERT_PLACES[place], include_extras=True)[name]
        case (str(section), str(name)) if section in VALUES:
            return get_type_hints(VALUES[section], include_extras=True)[name]
        case ("store", *rest):
            return place_hint(tuple(rest))
        case ("risks", _, str(rule), *part):
            return rule_hint(rule, str(part[0]) if part else None)
        case _:
            return None


def _missing(key: Key) -> str:
    if key[0] in {"frame", "frames"}:
        return "missing, expected both from and to"
    return f"missing, expected {_expected_at(key)}"


def _kind_complaint(key: Key, given: object) -> tuple[Key, str]:
    if not isinstance(given, Mapping):
        return key, f"expected {_expected_at(key)}, found {found(given)}"
    kinds = alternatives(EXCHANGES)
    if "kind" not in given:
        return (*key, "kind"), f"missing, expected {kinds}"
    return (*key, "kind"), f"expected {kinds}, found {found(given['kind'])}{near(given['kind'], EXCHANGES)}"


def _unknown_key(key: Key, loc: tuple[int | str, ...]) -> str:
    name = str(key[-1])
    if is_secret(name):
        return _secret(key)
    match loc:
        case (_,):
            return _unknown_at_top(name)
        case (str(section), _) if section in VALUES:
            known: Iterable[str] = get_type_hints(VALUES[section])
        case ("alerts", str(place), _):
            known = get_type_hints(ALERT_PLACES[place])
        case ("store", *rest):
            return unknown_store_key(tuple(rest))
        case ("risks", _, _):
            known = RULES
        case ("risks", _, str(rule), _):
            known = field_hints(RULES[rule])
        case ("frame", _, _) | ("frames", _, _):
            known = _keys(FrameConfig)
        case _:
            kind = str(loc[-2])
            owners = [other for other, model in EXCHANGES.items() if name in model.model_fields]
            if owners:
                return f"is for kind {alternatives(owners)}, found kind {kind}"
            known = _keys(EXCHANGES[kind])
    return f"unknown key{suggestion(name, known)}"


def _secret(key: Key) -> str:
    if key[0] == "alerts":
        return f"does not belong in a config: put it into an environment variable, and name that as {key[-1]}_env"
    if key[0] == "store":
        return "does not belong in a config: put the URL into an environment variable, and name that as url_env"
    variables = "<EXCHANGE NAME>_API_KEY and <EXCHANGE NAME>_API_SECRET"
    return f"does not belong in a config: put keys into the environment, as {variables}"


def _unknown_at_top(name: str) -> str:
    owners = [section for section, values in VALUES.items() if name in get_type_hints(values)]
    if owners:
        return f"unknown key; it belongs under `{owners[0]}:`"
    tops = _keys(RunConfig)
    return f"unknown key{near(name, tops) or near(name, settings_names()) or suggestion(name, tops)}"


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]
