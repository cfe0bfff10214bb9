#!/usr/bin/python3
"""Lists of IGT tests, results that are expected, and what came out.

  igt.py expand NAMES LIST                          the tests that LIST names, of those in NAMES
  igt.py settings LIST                              what it is to be run with, as NAME=VALUE
  igt.py allowed LIST KERNEL TESTS                  what KERNEL may log, as regular expressions
  igt.py merge RESULTS FROM...                      one results.json out of several rounds
  igt.py judge LIST KERNEL TESTS RESULTS            a table; exit status 1 if anything is unexpected
  igt.py results LIST KERNEL TESTS RESULTS          'pass|fail|skip NAME' for each test
  igt.py compare LIST TESTS NAME-A RESULTS-A NAME-B RESULTS-B     exit status 1 if they differ

LIST is a .testlist file or patterns with blanks between, TESTS the file that 'expand' has written,
RESULTS a results.json of igt_runner.  README.md beside this tells about the files.
"""

import fnmatch
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KERNELS = {"ours", "base", "peer"}
# What a list can set
SETTINGS = ["GPUS", "PROFILE", "SIM", "CCS", "MEM", "TIMEOUT", "TEST_TIMEOUT"]
RESULTS = ["pass", "fail", "skip", "crash", "timeout", "dmesg-warn", "dmesg-fail", "abort",
           "incomplete", "notrun"]
# What a test may do that no exception names
FINE = {"pass", "skip"}
# Of what an unexpected test printed, lines of each stream; of tests that did not run, how many are named
TAIL = 12
NAMED = 5
# Warnings that tell of a busy host, and of no fault
BUSY = re.compile(r"hrtimer: interrupt took|CE: .* increased min_delta_ns|clocksource: |workqueue: .* hogged CPU|perf: interrupt took too long|"
                  r"sched: .* throttling|NOHZ tick-stop error|TSC found unstable")
# Of a test's output: stack traces of stripped programs, and what frames it
NOISE = re.compile(r"\s+#\d+ |.*INFO:\s+#\d+ |.*Stack trace:|.*-DEBUG: |Using IGT_SRANDOM|\*\*\*\* |Subtest .*: [A-Z]+ \(|\s*$")


def die(what, hint):
    sys.exit(f"error: {what}; {hint}")


class Line:
    """One line of a list or of an exceptions file, without its comment."""

    def __init__(self, path, number, text, reason):
        self.where = f"{os.path.relpath(path)}:{number}"
        self.text = text
        self.reason = reason

    def die(self, what, hint):
        die(f"{self.where}: {what}", hint)


def read_lines(path, seen=()):
    """The lines of a file and of those that it includes, in order."""
    if path in seen:
        die(f"{os.path.relpath(path)} includes itself", "remove that line")
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as error:
        die(f"cannot read {path} ({error.strerror})", "correct its name")
    for number, line in enumerate(lines, 1):
        text, _, reason = re.sub(r"^\s*#", " # ", line).partition(" # ")
        text = text.strip()
        if text.startswith("include "):
            other = os.path.join(os.path.dirname(path), text.split(None, 1)[1])
            yield from read_lines(other, (*seen, path))
        elif text:
            yield Line(path, number, text, reason.strip())


def matching(pattern, names):
    """The names that a pattern stands for: igt@TEST@SUBTEST, or all subtests of TEST."""
    if not pattern.startswith("igt@"):
        pattern = "igt@" + pattern
    if pattern.count("@") > 1:
        return [name for name in names if fnmatch.fnmatchcase(name, pattern)]
    return [name for name in names
            if fnmatch.fnmatchcase("@".join(name.split("@")[:2]), pattern)]


def read_names(path):
    with open(path, encoding="utf-8") as file:
        return file.read().split()


def expand(names, lines):
    """The tests of a list; lines that begin with '!' take some away."""
    tests = {}
    for line in lines:
        if line.text.startswith("set "):
            continue
        without = line.text.startswith("!")
        if without and not line.reason:
            line.die(f"'{line.text}' gives no reason", "append ' # why it cannot run'")
        found = matching(line.text.lstrip("!"), tests if without else names)
        if not found:
            line.die(f"'{line.text}' matches no test", "see 'scripts/igt list'")
        for name in found:
            if without:
                del tests[name]
            else:
                tests[name] = None
    return list(tests)


def print_settings(lines):
    """NAME=VALUE of the lines 'set NAME VALUE'."""
    for line in lines:
        words = line.text.split(None, 2)
        if words[0] != "set":
            continue
        if len(words) != 3 or words[1] not in SETTINGS:
            line.die(f"'{line.text}' is not 'set NAME VALUE'", f"NAME is one of {' '.join(SETTINGS)}")
        print(f"{words[1]}={words[2]}")


def expand_patterns(names, patterns):
    tests = {}
    for pattern in patterns.split():
        found = matching(pattern, names)
        if not found:
            die(f"'{pattern}' is no list and matches no test",
                "see 'scripts/igt list' and tests/igt")
        tests.update(dict.fromkeys(found))
    return list(tests)


class Expected:
    """What the file of exceptions beside a list says about one kernel."""

    def __init__(self, path, strict, kernel, tests):
        self.path = os.path.relpath(path)
        self.logs = []
        self.exceptions = {}
        for line in read_lines(path) if os.path.exists(path) else ():
            if not line.reason:
                line.die(f"'{line.text}' gives no reason", "append ' # REASON'")
            words = line.text.split(None, 2)
            if len(words) != 3:
                line.die(f"'{line.text}' is not 'KERNEL RESULT TEST' or 'log KERNEL REGEX'",
                         "see tests/igt/README.md")
            if words[0] == "log":
                self.add_log(line, words, kernel)
            else:
                self.add_exception(line, words, kernel, tests, strict)

    @staticmethod
    def applies(line, kernels, kernel):
        kernels = kernels.split(",")
        for name in kernels:
            if name != "*" and name not in KERNELS:
                line.die(f"there is no kernel {name}", "use ours, base, peer or *")
        return "*" in kernels or kernel in kernels

    def add_log(self, line, words, kernel):
        try:
            re.compile(words[2])
        except re.error as error:
            line.die(f"'{words[2]}' is no regular expression ({error})", "correct it")
        if self.applies(line, words[1], kernel):
            self.logs.append(words[2])

    def add_exception(self, line, words, kernel, tests, strict):
        results = set(words[1].split(","))
        if results - set(RESULTS):
            line.die(f"there is no result {', '.join(sorted(results - set(RESULTS)))}",
                     f"use {' '.join(RESULTS)}")
        found = matching(words[2], tests)
        if not found and strict:
            line.die(f"'{words[2]}' matches no test of the list", "remove or correct it")
        if self.applies(line, words[0], kernel):
            for name in found:
                self.exceptions[name] = (results, line)


def is_file(spec):
    return spec.endswith(".testlist")


def expected_of(spec, kernel, tests):
    """For patterns: the exceptions of the full list, those that match."""
    path = spec[:-len(".testlist")] if is_file(spec) else os.path.join(HERE, "full")
    return Expected(path + ".expected", is_file(spec), kernel, tests)


def read_results(path, logs=()):
    """Results by name; a file that is not there, or torn, has none.

    'warn' is a test that passed and has printed a warning.  'dmesg-warn' and 'dmesg-fail' do
    not count where the kernel logged only what it may.
    """
    try:
        with open(path, encoding="utf-8") as file:
            tests = json.load(file)["tests"]
    except (OSError, ValueError, KeyError):
        return {}
    for test in tests.values():
        if test["result"].startswith("dmesg-") and not warnings(test, logs):
            test["result"] = test["result"].replace("dmesg-", "")
        if test["result"] == "warn":
            test["result"] = "pass"
    return tests


def merge(path, *rounds):
    """A test has its result in the round that came to it."""
    all_rounds = {"tests": {}}
    for name in rounds:
        with open(name, encoding="utf-8") as file:
            found = json.load(file)
        all_rounds["tests"].update(
            (name, test) for name, test in found["tests"].items()
            if test["result"] != "notrun" or name not in all_rounds["tests"])
        all_rounds = {**found, "tests": all_rounds["tests"]}
    # They are of the last round only
    all_rounds.pop("totals", None)
    all_rounds.pop("runtimes", None)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(all_rounds, file, indent=1)


def warnings(test, logs):
    """The lines of the kernel's log that are warnings, less those that it may log: a line
    that an expression matches, or the whole of the report in which it is."""
    may = re.compile("|".join([BUSY.pattern, *(f"(?:{regex})" for regex in logs)]))
    found, report = [], None
    for line in test.get("dmesg", "").splitlines():
        if not re.match(r"<[0-4]>", line):
            continue
        if "[ cut here ]" in line:
            report = []
        (found if report is None else report).append(line)
        if report is None:
            if may.search(line):
                found.pop()
        elif "[ end trace " in line:
            if not any(may.search(part) for part in report):
                found += report
            report = None
    return found + (report or [])


def result_of(results, name):
    return results.get(name, {}).get("result", "notrun")


def tail(result, logs):
    """The last lines of what a test printed.  Of stderr the assertions: igt_runner does not
    always tell well to which test a line belongs."""
    lines = [line for line in result.get("out", "").splitlines() if not NOISE.match(line)][-TAIL:]
    lines += [line for line in result.get("err", "").splitlines()
              if "CRITICAL" in line and line not in lines][-TAIL:]
    if result.get("result", "").startswith("dmesg-"):
        lines += warnings(result, logs)[:TAIL]
    return ["    | " + line for line in dict.fromkeys(lines)]


def unexpected(name, result, expected):
    """One line that tells what is wrong with this result, or None."""
    got = result.get("result", "notrun")
    wanted, line = expected.exceptions.get(name, (FINE, None))
    if got in wanted:
        return None
    if not line:
        return f"{got}: {name}"
    what = f"{' or '.join(sorted(wanted))} expected, {line.reason}; {line.where}"
    return f"{'unexpected pass' if got == 'pass' else got}: {name} ({what})"


def seconds(result):
    time = result.get("time", {})
    return float(time.get("end", 0)) - float(time.get("start", 0))


def print_table(rows):
    """Rows of cells: the first to the left, the others to the right."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join([str(row[0]).ljust(widths[0]), *cells]))


def table(tests, results, wrong):
    columns = [r for r in RESULTS if r in ("pass", "fail", "skip")
               or any(result_of(results, t) == r for t in tests)]
    groups = {}
    for name in tests:
        groups.setdefault(name.split("@")[1], []).append(name)
    rows = [["", *columns, "unexpected", "seconds"]]
    for label, group in [*groups.items(), ("all", tests)]:
        got = [result_of(results, name) for name in group]
        rows.append([label, *(got.count(c) or "." for c in columns),
                     sum(name in wrong for name in group) or ".",
                     f"{sum(seconds(results.get(name, {})) for name in group):.1f}"])
    print_table(rows)


def print_unexpected(tests, results, wrong, logs):
    notrun = 0
    for name in tests:
        if name not in wrong:
            continue
        if result_of(results, name) == "notrun":
            notrun += 1
            if notrun > NAMED:
                continue
        print("", wrong[name], *tail(results.get(name, {}), logs), sep="\n")
    if notrun > NAMED:
        print(f"\nnotrun: {notrun - NAMED} more")


def judge(spec, kernel, tests, path):
    expected = expected_of(spec, kernel, tests)
    results = read_results(path, expected.logs)
    wrong = {}
    for name in tests:
        what = unexpected(name, results.get(name, {}), expected)
        if what:
            wrong[name] = what
    table(tests, results, wrong)
    print_unexpected(tests, results, wrong, expected.logs)
    got = {result: 0 for result in RESULTS}
    for name in tests:
        if name not in wrong:
            got[result_of(results, name)] += 1
    known = sum(n for result, n in got.items() if result not in FINE)
    print()
    if known:
        print(f"{known} did not pass, as expected ({expected.path})")
    print(f"{got['pass']} passed, {len(wrong)} failed, {got['skip']} skipped")
    return 1 if wrong else 0


def print_results(spec, kernel, tests, path):
    """What is known not to pass, and does not, was not tested: that is a skip."""
    expected = expected_of(spec, kernel, tests)
    results = read_results(path, expected.logs)
    for name in tests:
        got = result_of(results, name)
        if unexpected(name, results.get(name, {}), expected):
            print(f"fail {name} ({got})")
        elif got in FINE:
            print(got, name)
        else:
            print(f"skip {name} ({got}: {expected.exceptions[name][1].reason})")


def compare(spec, tests, name_a, path_a, name_b, path_b):
    a, b = (read_results(path, expected_of(spec, name, tests).logs)
            for name, path in ((name_a, path_a), (name_b, path_b)))
    for name, path, results in ((name_a, path_a, a), (name_b, path_b, b)):
        if not results:
            die(f"{name} has no results in {path}", "run it again")
    rows = [["", name_a, name_b]]
    rows += [[t, result_of(a, t), result_of(b, t)] for t in tests
             if result_of(a, t) != result_of(b, t)]
    if len(rows) > 1:
        print_table(rows)
        print()
    print(f"{len(tests) - len(rows) + 1} the same, {len(rows) - 1} different")
    return 1 if len(rows) > 1 else 0


def main(command, *args):
    if command == "expand":
        names = read_names(args[0])
        if is_file(args[1]):
            tests = expand(names, read_lines(args[1]))
        else:
            tests = expand_patterns(names, args[1])
        if not tests:
            die(f"{args[1]} has no tests", "add some")
        print(*tests, sep="\n")
        return 0
    if command == "settings":
        print_settings(read_lines(args[0]) if is_file(args[0]) else ())
        return 0
    if command == "merge":
        merge(*args)
        return 0
    if command == "compare":
        return compare(args[0], read_names(args[1]), *args[2:])
    spec, kernel, tests = args[0], args[1], read_names(args[2])
    if command == "allowed":
        for regex in expected_of(spec, kernel, tests).logs:
            print(regex)
        return 0
    if command == "results":
        print_results(spec, kernel, tests, args[3])
        return 0
    return judge(spec, kernel, tests, args[3])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
