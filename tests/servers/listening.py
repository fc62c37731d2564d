"""Shelves at servers that run already, for `make stores`: `BTK_TEST_REDIS_URL` and so on say where, if not as in
`configs/stores/compose.yaml`. What is written there stays: each place is a prefix of its own.
"""

import os
from pathlib import Path

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind
from backtestkit_cli.persistence.building import shelf_of
from backtestkit_cli.persistence.shelf import Shelf

URLS = {
    StoreKind.REDIS: "redis://127.0.0.1:6379/0",
    StoreKind.POSTGRES: "postgresql://btk:btk@127.0.0.1:5432/btk",
    StoreKind.MONGO: "mongodb://127.0.0.1:27017/btk",
    StoreKind.S3: "s3://btk?region=us-east-1&endpoint=http://127.0.0.1:8333",
}


def redis(place: Path) -> Shelf:
    return _shelf(StoreKind.REDIS, place)


def postgres(place: Path) -> Shelf:
    return _shelf(StoreKind.POSTGRES, place)


def mongo(place: Path) -> Shelf:
    return _shelf(StoreKind.MONGO, place)


def s3(place: Path) -> Shelf:
    return _shelf(StoreKind.S3, place)


def _shelf(kind: StoreKind, place: Path) -> Shelf:
    variable = f"BTK_TEST_{kind.upper()}_URL"
    options = PlaceOptions(kind=kind, url=os.environ.get(variable, URLS[kind]), prefix=place.name)
    return shelf_of(options, {})
