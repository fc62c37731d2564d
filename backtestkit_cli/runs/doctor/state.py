"""The state folder: whether what runs left there can be read, and who uses it now."""

from pathlib import Path

from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.errors import StoreError
from backtestkit_cli.persistence.envelope import FORMAT
from backtestkit_cli.persistence.holders import Holder, Presence
from backtestkit_cli.persistence.inspection import inspected
from backtestkit_cli.runs.doctor.findings import Finding, doubtful, failed, failures, fine

_UNREADABLE = 3


def state(folder: Path) -> list[Finding]:
    """Return what is to say of the records and locks in *folder*, which stays as it is."""
    try:
        found = inspected(folder)
    except StoreError as error:
        return failures("store", error, "mend the permissions of the folder")
    told = [_taken(holder) for holder in found.holders if holder.presence is not Presence.GONE]
    if found.newer:
        text = f"{found.newer[0]}: a newer btk wrote it: {counted(len(found.newer), 'record')} of that kind in all"
        return [failed("store", text, "use the newer btk, or another folder", _UNREADABLE), *told]
    if found.damaged:
        text = f"{found.damaged[0]}: cannot be read: {counted(len(found.damaged), 'damaged record')} in all"
        return [failed("store", text, "move it aside: its session starts empty then", _UNREADABLE), *told]
    text = f"{folder}: {counted(found.records, 'record')}, version {FORMAT}"
    if found.moved_aside:
        advice = f"look at {found.moved_aside[0].name} beside its place, and delete it"
        return [
            doubtful("store", f"{text}, {counted(len(found.moved_aside), 'damaged one')} moved aside", advice),
            *told,
        ]
    return [fine("store", text), *told]


def _taken(holder: Holder) -> Finding:
    doubt = "" if holder.presence is Presence.RUNNING else ", if that still runs"
    who = f"pid {holder.pid} on {holder.node}"
    what = f"{holder.mode} on {holder.exchange}, account {holder.account}"
    return fine("lock", f"{what}: in use by {who} since {utc_text(holder.since_ms)}{doubt}")
