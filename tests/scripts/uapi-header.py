#!/usr/bin/env python3
"""Prints a C program that prints, for a header of the kernel's user-space ABI, an assertion
for each struct, member, enumerator and macro: what must stay as it is.

usage: uapi-header.py HEADER
"""
import re
import sys


def body_end(text, start):
    """The brace that closes the one at start."""
    depth = 0
    for i in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if not depth:
            return i
    sys.exit(f"no end of '{text[start - 30:start]}'")


def members(body, prefix=""):
    """(path, whether it has a size) of all members, those of anonymous structs and unions too."""
    while body.strip():
        brace, semicolon = body.find("{"), body.find(";")
        if brace < 0 or semicolon < brace:
            name, dims = re.fullmatch(r".*?(\w+)\s*((?:\[.*?\])*)", body[:semicolon].strip(), re.S).groups()
            yield prefix + name, dims.replace(" ", "") != "[]"
            body = body[semicolon + 1:]
            continue
        end = body_end(body, brace)
        name, rest = re.match(r"\s*(\w*)\s*;", body[end + 1:]), end + 1
        yield from members(body[brace + 1:end], prefix + (name[1] + "." if name[1] else ""))
        body = body[rest + name.end():]


def show(text, value):
    """A line of the program: %lld in text is the value."""
    print(f'\tprintf("{text}\\n", (long long)({value}));')


def main(header):
    text = re.sub(r"/\*.*?\*/", " ", open(header).read(), flags=re.S)
    macros = re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+\S", text, re.M)
    text = re.sub(r"^[ \t]*#.*$", "", text, flags=re.M)
    print(f'#include <stddef.h>\n#include <stdio.h>\n#include "{header}"\nint main(void)\n{{')
    for match in re.finditer(r"^struct (\w+) \{", text, re.M):
        name = match[1]
        show(f"SAME(sizeof(struct {name}) == %lld);", f"sizeof(struct {name})")
        for path, sized in members(text[match.end():body_end(text, match.end() - 1)]):
            show(f"SAME(offsetof(struct {name}, {path}) == %lld);", f"offsetof(struct {name}, {path})")
            if sized:
                size = f"sizeof(((struct {name} *)0)->{path})"
                show(f"SAME({size} == %lld);", size)
    for match in re.finditer(r"^enum \w+ \{", text, re.M):
        for name in re.findall(r"(\w+)\s*(?:=[^,]*)?(?:,|$)", text[match.end():body_end(text, match.end() - 1)].strip()):
            show(f"SAME({name} == %lld);", name)
    for name in macros:
        show(f"SAME((long long)({name}) == %lldll);", name)
    print("\treturn 0;\n}")


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(sys.argv[1])
