#!/usr/bin/env python3
"""Makes a copy of the sources in which the bugs of planted_bugs.txt can be switched on.

plant.py BUGS ROOT OUT NAME...   writes OUT/NAME for each source, OUT/overlay/... for headers and
                                 OUT/planted_table.hpp
"""

import pathlib
import sys


def blocks(text):
    """(name, seeds, [(file, old, new)]) of each bug."""
    bugs = []
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for part in ("\n" + "\n".join(lines)).split("\n== ")[1:]:
        head, _, rest = part.partition("\n")
        name, seeds = head.split()
        changes = []
        for change in ("\n" + rest).split("\n-- ")[1:]:
            file, _, body = change.partition("\n")
            old, _, new = body.partition("\n++\n")
            changes.append((file.strip(), old.strip(), new.strip()))
        bugs.append((name, int(seeds), changes))
    return bugs


def main():
    bugs_file, root, out = (pathlib.Path(a) for a in sys.argv[1:4])
    wanted = set(sys.argv[4:])
    texts = {}
    bugs = blocks(bugs_file.read_text())
    for number, (name, _, changes) in enumerate(bugs, start=1):
        for file, old, new in changes:
            text = texts.setdefault(file, (root / file).read_text())
            if text.count(old) != 1:
                sys.exit(
                    f"{bugs_file}: bug {name}: its text stands {text.count(old)} times in {file}; "
                    f"adapt the bug to the change:\n{old}"
                )
            texts[file] = text.replace(old, new.replace("PLANTED", f"::sim::is_planted({number})"))
    for file in wanted - {pathlib.Path(f).name for f in texts}:
        (source,) = root.glob(f"src/engine/{file}")
        texts[str(source.relative_to(root))] = source.read_text()
    for file, text in texts.items():
        path = pathlib.Path(file)
        is_source = path.suffix == ".cpp"
        to = out / path.name if is_source else out / "overlay" / path.relative_to("include")
        if is_source and path.name not in wanted:
            sys.exit(f"tests/simulation/meson.build does not compile {file}")
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text('#include "planted.hpp"\n' + f'#line 1 "{root / file}"\n' + text)
    rows = "".join(f'    {{"{name}", {seeds}}},\n' for name, seeds, _ in bugs)
    (out / "planted_table.hpp").write_text(rows)


main()
