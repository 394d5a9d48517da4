"""Fail when a file includes a room that its own room does not declare in CMakeLists.txt, or when a room declares
one that it does not include or that its floor may not know (the table in src/README.md).

usage: check_layers.py PROJECT_FOLDER LAYERS_FILE
"""
import pathlib
import re
import sys

# Each floor, lowest first, with the floors that it may know besides itself.
FLOORS = {
    "foundation": [],
    "data": ["foundation"],
    "learning": ["foundation", "data"],
    "control": ["foundation"],
    "app": ["foundation", "data", "learning", "control"],
}


def main() -> int:
    root, layers = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    floor_of, may_know, errors = {}, {}, []
    for line in layers.read_text().split():
        place, deps = line.split(":")
        floor, room = place.split("/")
        floor_of[room] = floor
        may_know[room] = {dep for dep in deps.split(",") if dep}
        for dep in may_know[room]:
            if floor_of[dep] != floor and floor_of[dep] not in FLOORS[floor]:
                errors.append(f"CMakeLists.txt: {place} may not know {floor_of[dep]}/{dep}: "
                              f"the floor {floor} knows {', '.join(FLOORS[floor]) or 'nothing else'}")
    for folder in sorted((root / "src").glob("*/*")):
        room = folder.name
        if not folder.is_dir():
            continue
        if room not in floor_of:
            errors.append(f"{folder.relative_to(root)}: not declared in CMakeLists.txt")
            continue
        included = set()
        for path in sorted(folder.rglob("*.[hc]*")):
            for number, text in enumerate(path.read_text(errors="replace").splitlines(), 1):
                found = re.match(r'\s*#\s*include\s+"([^"/]+)/', text)
                if found:
                    included.add(found[1])
                if found and found[1] in floor_of and found[1] != room and found[1] not in may_know[room]:
                    errors.append(f"{path.relative_to(root)}:{number}: {room} may not include {found[1]}; "
                                  f"it declares {', '.join(sorted(may_know[room])) or 'nothing'}")
        for dep in sorted(may_know[room] - included):
            errors.append(f"CMakeLists.txt: {floor_of[room]}/{room} declares {dep} and includes nothing of it")
        if not (folder / "README.md").exists():
            errors.append(f"{folder.relative_to(root)}: a room has a README.md")
    print("\n".join(errors))
    return bool(errors)


sys.exit(main())
