"""A small FDDB: two folds with three images."""

from pathlib import Path

ELLIPSES = {
    "01": {"2002/08/11/big/img_591": [(40, 30, 1.5, 100, 90)], "2002/08/26/big/img_265": []},
    "02": {"2003/01/01/big/img_265": [(20, 15, 0, 30, 30), (22, 20, -1.2, 90, 35)]},
}


def write_folds(folder: Path) -> Path:
    """Writes the folds as FDDB publishes them and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for fold, images in ELLIPSES.items():
        (folder / f"FDDB-fold-{fold}.txt").write_text("".join(f"{name}\n" for name in images))
        lines = []
        for name, rows in images.items():
            lines += [name, str(len(rows)), *(" ".join(map(str, row)) + "  1" for row in rows)]
        (folder / f"FDDB-fold-{fold}-ellipseList.txt").write_text("\n".join(lines) + "\n")
    return folder
