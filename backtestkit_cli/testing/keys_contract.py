"""What every store promises of keys: any text is a name, no two are one, and none leads elsewhere."""

from typing import Any

import pytest

from backtestkit_cli.errors import StoreError
from backtestkit_cli.ports import Json, Key, Store
from backtestkit_cli.testing.store_hooks import StoreHooks

ODD_PARTS = [
    *("BTC/USDT", "BTC/USDT:USDT", "BTC%2FUSDT", "BTC%2fUSDT", "BTC%252FUSDT", "BTC_USDT", "BTC-USDT", "BTC.USDT"),
    *("a\\b", "a:b", "a|b", "a;b", "a=b", "a&b", "a#b", "a'b", 'a"b', "a`b", "a$b", "a{b}", "a<b>", "a\tb", "a\0b"),
    *("..", ".", "...", ".hidden", "dot.", "dot", "a b ", "a b", " a b", "~", "-rf", "--", "+a", "x=", "x.json", "%"),
    *("A", "a", "aA", "Aa", "CON", "con", "nul", "corrupt-1", "line\nbreak", "line\r\nbreak", "\0", "\x7f", "$where"),
    *("日本語", "e\u0301", "é", "É", "ß", "ss", "\ufb01", "fi", "\u212a", "K", "k", "\u0131", "i", "\u200b", "\ufeff"),
    *("🚀", "\U0010ffff", "long-" * 100, "long-" * 100 + "!", "1", "01", "1.0", "null", "None", "true"),
]
"""Parts of keys that separators, file systems, queries and normal forms are known to confuse."""

HALVES = ["\ud800", "\udfff", "\ud800a", "?", "\ufffd"]
"""Halves of surrogate pairs, and what they are taken for."""

PATTERNS = ["*", "a*", "?", "a?", "[a]", "[ab]", "{a,ab}", "%", "a%", "_", "a_", ".*", "^a", "a$", "a|ab", "\\*", "a\0"]
"""Parts that a place may take for a pattern of which "a" and "ab" are examples."""

ESCAPES = ["..", "../..", "../../escaped", "/etc/escaped", "..\\escaped", "~/escaped", "file:///escaped", "%2e%2e%2f"]
"""Parts that lead out of a folder, if they are taken for a path."""


class KeysContract(StoreHooks):
    """The tests of keys."""

    many = 2000
    """How many records are listed: more than a page of what a server lists at once."""

    async def test_a105_keys_and_values_come_in_natural_order(self, store: Store) -> None:
        numbers = [10, 9, 1, 8, 2, 7, 3, 6, 4, 5]
        for number in numbers:
            await store.write(("job", str(number)), {"number": number})
        assert [key[1] for key in await store.keys(("job",))] == [str(number) for number in range(1, 11)]
        assert [record["number"] for record in await store.values(("job",))] == list(range(1, 11))
        assert [key[1] for key, _ in await store.items(("job",))] == [str(number) for number in range(1, 11)]

    async def test_a105_numbers_within_texts_count_too_and_parts_are_compared_one_by_one(self, store: Store) -> None:
        ordered = [("a",), ("a", "z"), ("a2", "b"), ("a10", "a"), ("a10b2",), ("a10b10",), ("b", "1" * 30), ("b1",)]
        await store.write_all({key: {} for key in reversed(ordered)})
        assert list(await store.keys(())) == ordered

    async def test_many_records_are_listed(self, store: Store) -> None:
        await store.write_all({("many", str(number)): {"n": number} for number in reversed(range(self.many))})
        fresh = self.other(store)
        assert await fresh.keys(("many",)) == [("many", str(number)) for number in range(self.many)]
        assert [record["n"] for record in await fresh.values(("many",))] == list(range(self.many))
        assert await fresh.remove_all(()) == self.many
        assert await fresh.keys(()) == []

    async def test_a_prefix_is_of_whole_parts(self, store: Store) -> None:
        keys = [("a",), ("a", "b"), ("a", "bc"), ("ab",), ("ab", "b"), ("a/b",), ("a", "b", "c")]
        await store.write_all({key: {"key": list(key)} for key in keys})
        assert list(await store.keys(("a", "b"))) == [("a", "b"), ("a", "b", "c")]
        assert [record["key"] for record in await store.values(("ab",))] == [["ab"], ["ab", "b"]]
        assert await store.keys(("c",)) == []
        assert len(await store.keys(())) == len(keys)

    async def test_removing_all_of_a_prefix_leaves_those_whose_names_merely_begin_alike(self, store: Store) -> None:
        for key in [("a",), ("a", "x"), ("a", "y", "z"), ("ab",), ("a b", "x"), ("A", "x"), ("a/x",)]:
            await store.write(key, {})
        assert await store.remove_all(("a",)) == 3
        assert set(await self.other(store).keys(())) == {("ab",), ("a b", "x"), ("A", "x"), ("a/x",)}
        assert await store.remove_all(("a",)) == 0
        assert await store.remove_all(()) == 4
        assert await store.keys(()) == []

    async def test_a111_any_text_can_be_a_part_of_a_key_and_none_is_taken_for_another(self, store: Store) -> None:
        keys: list[Key] = [("k", part) for part in ODD_PARTS] + [("k", part, "below") for part in ODD_PARTS]
        keys += [("k", "a", "b"), ("k/a", "b"), ("k", "a/b", "c"), ("k", "a", "b/c"), ("k:a",), ("k%2Fa",), ("k.a",)]
        await self._keeps_apart(store, keys)

    async def test_a111_halves_of_surrogate_pairs_are_texts_too(self, store: Store) -> None:
        self.needs("surrogates")
        await self._keeps_apart(store, [("k", part) for part in HALVES])

    async def _keeps_apart(self, store: Store, keys: list[Key]) -> None:
        """Make sure that each of *keys* is a place of its own."""
        assert len(set(keys)) == len(keys)
        records = {key: {"number": number} for number, key in enumerate(keys)}
        await store.write_all(records)
        fresh = self.other(store)
        assert set(await fresh.keys(())) == set(keys)
        assert dict(await fresh.items(())) == records
        for key in keys[::4]:
            assert await fresh.read(key) == records[key]
        await store.remove(keys[0])
        assert set(await fresh.keys(())) == set(keys[1:])

    async def test_signs_of_patterns_stand_for_themselves(self, store: Store) -> None:
        ordinary = [("a", "x"), ("ab", "x"), ("b",)]
        await store.write_all({key: {} for key in ordinary})
        for part in PATTERNS:
            assert await store.keys((part,)) == []
            assert await store.remove_all((part,)) == 0
        await store.write_all({(part, "x"): {"part": part} for part in PATTERNS})
        for part in PATTERNS:
            assert await store.values((part,)) == [{"part": part}]
            assert await store.remove_all((part,)) == 1
        assert set(await store.keys(())) == set(ordinary)

    async def test_no_key_leads_out_of_the_place(self, store: Store) -> None:
        keys: list[Key] = [(part, "x") for part in ESCAPES] + [("x", part, "escaped") for part in ESCAPES]
        await store.write_all({key: {"key": list(key)} for key in keys})
        assert {tuple(record["key"]) for record in await store.values(())} == set(keys)
        assert await store.keys(("..",)) == [("..", "x")]
        assert await store.remove_all(("..",)) == 1
        assert set(await store.keys(())) == set(keys) - {("..", "x")}

    async def test_what_is_kept_beside_is_another_s(self, store: Store) -> None:
        self.needs("neighbours")
        beside = self.closed_later(self.neighbour(store))
        await beside.wait_for_init()
        await beside.write_all({("a", "x"): {"of": "beside"}, ("b",): {}})
        assert await store.keys(()) == []
        await store.write_all({("a", "x"): {"of": "ours"}, ("..", "escaped"): {}})
        assert await beside.read(("a", "x")) == {"of": "beside"}
        assert await store.remove_all(()) == 2
        assert await beside.keys(()) == [("a", "x"), ("b",)]

    async def test_a_key_of_any_length_is_kept_or_refused_in_one_line(self, store: Store) -> None:
        long = [("long", "x" * 5000 + end) for end in "ab"]
        await store.write(("long", "x"), {"n": 0})
        for number, key in enumerate(long):
            refusal = await self._refusal(store, key, {"n": number})
            if refusal is None:
                assert await store.read(key) == {"n": number}
            else:
                assert "\n" not in refusal
                assert len(await store.keys(())) == 1
        assert await store.read(("long", "x")) == {"n": 0}

    @staticmethod
    async def _refusal(store: Store, key: Key, record: Json) -> str | None:
        try:
            await store.write(key, record)
        except StoreError as error:
            return str(error)
        return None

    async def test_what_is_no_key_is_refused(self, store: Store) -> None:
        no_keys: list[Any] = [(), ("",), ("a", ""), ("a", 1), "ab", ["a"], None]
        for key in no_keys:
            for call in (store.read, store.has, store.remove, lambda key: store.write(key, {})):
                with pytest.raises(StoreError, match="key of a record: expected one or more texts"):
                    await call(key)
