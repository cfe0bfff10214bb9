#!/usr/bin/env python3
"""Sorts KCSAN's reports of data races by whose they are.

    scripts/races.py LOG OURS LIBRARY WHY

LOG is the kernel's log.  OURS and LIBRARY name functions, one in a line: those of the files that the
series adds or owns, and those that only do what their caller says (lists, trees, memcpy).  An access
is that of the first function of its stack that is not of LIBRARY.  A race that has an access of OURS
is ours, unless WHY has it: "FUNCTION / FUNCTION", a tab, and why it is none of the series' making.

Prints a line for each pair of functions, "ours|known|base", their names, how often, and the reason,
with tabs between.
"""

import re
import sys
from collections import Counter

HEAD = re.compile(r"BUG: KCSAN: data-race in ")
ACCESS = re.compile(r"(?:race at unknown origin, with )?[a-z() -]+ to 0x[0-9a-f]+ of \d+ bytes by ")
FRAME = re.compile(r" +(?:\? )?([A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x[0-9a-f]+")


def lines(path):
    """Without the time that printk puts before them."""
    with open(path, errors="replace") as log:
        for line in log:
            yield re.sub(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *\w+\])? ?", "", line.rstrip())


def reports(path):
    """The stacks of each, innermost function first."""
    stacks = None
    for line in lines(path):
        if HEAD.match(line):
            stacks = []
        elif stacks is None:
            continue
        elif ACCESS.match(line):
            stacks.append([])
        elif frame := FRAME.match(line):
            if stacks:
                stacks[-1].append(frame[1])
        elif line.startswith("====="):
            yield stacks
            stacks = None
    if stacks is not None:
        yield stacks


def names(path):
    with open(path) as file:
        return set(file.read().split())


def reasons(path):
    with open(path) as file:
        return dict(line.rstrip("\n").split("\t", 1) for line in file if line.strip() and line[0] != "#")


def main():
    log, ours, library, why = sys.argv[1:]
    ours, library, why = names(ours), names(library), reasons(why)
    found = Counter()
    for stacks in reports(log):
        sites = [next((name for name in stack if name not in library), "?") for stack in stacks]
        sites += ["?"] * (2 - len(sites))
        title = " / ".join(sorted(sites))
        # What cannot be told is ours until somebody has looked
        mine = not stacks or not ours.isdisjoint(sites) or set(sites) == {"?"}
        found["known" if title in why else "ours" if mine else "base", title] += 1
    for (whose, title), times in sorted(found.items()):
        print(whose, title, times, why.get(title, ""), sep="\t")


main()
