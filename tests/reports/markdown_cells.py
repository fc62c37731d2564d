"""Reading a report the way a person does: by section and by the first cell of a row."""


def cells_of(text: str, first: str) -> list[str]:
    """Return the cells of the first table row that starts with *first*."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if cells[0].strip("*") == first:
            return [cell.strip("*") for cell in cells]
    raise AssertionError(f"no row {first!r} in\n{text}")


def section(text: str, title: str) -> str:
    """Return what stands below the heading *title*, up to the next one."""
    return text.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]
