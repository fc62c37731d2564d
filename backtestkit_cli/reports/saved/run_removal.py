"""Deleting saved runs, and nothing that is not one."""

import re
import stat
from pathlib import Path

from backtestkit_cli.errors import ConfigError
from backtestkit_cli.reports.saved.run_folder import MANIFEST, is_run_file, output_errors
from backtestkit_cli.reports.saved.run_reading import is_foreign

_DRAFT = re.compile(r"\.(?P<name>.+)\.\d+\.draft")


def run_files(folder: Path) -> list[Path]:
    """Return the files of the run in *folder*, complete or half-written, the manifest first.

    Raises:
        ConfigError: it is a link, holds anything that is not of a run, or has the manifest of another program.
    """
    if folder.is_symlink():
        raise ConfigError(f"{folder}: expected the folder of a run, found a link: it is not followed to delete")
    files = sorted(folder.iterdir(), key=lambda file: (file.name != MANIFEST, file.name))
    for file in files:
        draft = _DRAFT.fullmatch(file.name)
        name = draft["name"] if draft else file.name
        if not is_run_file(name) or not stat.S_ISREG(file.lstat().st_mode):
            raise ConfigError(
                f"{folder}: expected nothing but the files of a run, found {file.name}: delete it yourself"
            )
    if is_foreign(folder) or not (files or folder.parent.name == "runs"):
        raise ConfigError(f"{folder}: expected the folder of a run, found another one")
    return files


def delete_run(folder: Path) -> None:
    """Delete the files of the run in *folder*, then the folder.

    Raises:
        ConfigError: see `run_files`; nothing is deleted then.
        OutputError: the system refused; the manifest goes first, so what is left is no complete run.
    """
    for file in run_files(folder):
        with output_errors(file, "delete"):
            file.unlink()
    with output_errors(folder, "delete"):
        folder.rmdir()
