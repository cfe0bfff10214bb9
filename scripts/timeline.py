#!/usr/bin/python3
"""A picture of what simulated GPUs did, from the traces of a run (make timeline).

  timeline.py RUN [--from SECONDS] [--to SECONDS] [--out FILE]

RUN is a folder with gpu0.trace and so on, as 'make igt TRACE=1' leaves it, or one such file. FILE is
an SVG, RUN/timeline.svg by default. For each GPU and GT it has a lane for every engine, whose bars are
the contexts that ran there; the messages to GuC (h2g) and from it (g2h), and its TLB flushes; and the
page faults, from the report to the driver's answer. Point at a bar to read what it is.

However long the trace is, what falls on the same pixel is drawn as one bar, which tells how many it
stands for: --from and --to, in the seconds of the axis, show a part of it larger.
"""

import argparse
import collections
import glob
import heapq
import html
import math
import os
import re
import sys

# All in pixels
WIDTH = 1600
LEFT = 130  # of the bars: the lanes' names stand before it
RIGHT = 20
ROW = 14
GAP = 5
LETTER = 6.6  # no letter of an 11 px sans-serif is wider on average
CLOSE = 1.0  # bars that are drawn as one

LINE = re.compile(r"(\d+\.\d{6}) (?:gt(\d+)|-) (\w+) (.*)\n")
FIELD = re.compile(r"(\w+)=(\S+)")
MESSAGE = re.compile(r"(h2g|g2h) (\w+)(?: n=\d+)? (0x[0-9a-f]+)")
STATES = ["disabled", "idle", "ready", "running", "page fault", "ended by an error"]  # enum lrc_state
ACCESS = ["read", "write", "atomic"]  # enum access
ALL = "0xffffffffffffffff"  # size of a flush
ENGINES = "rcs ccs bcs vcs vec"  # in this order
UNITS = [(1, "s"), (1e-3, "ms"), (1e-6, "µs")]


def die(what, hint):
    sys.exit(f"error: {what}; {hint}")


class Bar:
    """Something that took from start to end, in seconds; end is None while it goes on."""

    def __init__(self, start, text, color, label=""):
        self.start = start
        self.end = None
        self.text = text
        self.color = color
        self.label = label

    def close(self, end, text=""):
        self.end = max(end, self.start)
        self.text += text


class Gt:
    """What the trace tells of one GT."""

    def __init__(self):
        self.engines = collections.defaultdict(list)
        self.flushes = []
        self.faults = []
        self.messages = {"h2g": [], "g2h": []}
        self.jobs = []
        self.open = {}

    def begin(self, key, bar, bars):
        """A bar of the same key that is still open has not ended as it should."""
        self.end(key, bar.start, ", its end is not in the trace")
        self.open[key] = bar
        bars.append(bar)

    def end(self, key, time, text):
        bar = self.open.pop(key, None)
        if bar:
            bar.close(time, text)
        return bar

    def end_all(self, time, text):
        for key in list(self.open):
            self.end(key, time, text)


def context_color(ctx):
    """Neighbours in number are far apart in hue."""
    return f"hsl({int(ctx) * 137 % 360},55%,60%)"


def word(words, number):
    return words[int(number)] if int(number) < len(words) else number


class Trace:
    """A file, read into a Gt for each that it names."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path).removesuffix(".trace")
        self.clock = 0.0
        self.last = None
        self.gts = collections.defaultdict(Gt)
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                for line in file:
                    self.read(line)
        except OSError as error:
            die(f"{path}: {error.strerror}", "name the folder of a run with TRACE=1")
        if self.last is None:
            die(f"{path} has no event", "let the run with TRACE=1 come to its end, which writes the trace")
        for gt in self.gts.values():
            gt.end_all(self.last, ", not over when the trace ends")

    def read(self, line):
        """Lines that are not understood are of no interest, or cut off."""
        match = LINE.fullmatch(line)
        if not match:
            return
        time, gt, source, rest = match.groups()
        self.last = float(time)
        event = getattr(self, "read_" + source, None)
        try:
            if source == "trace":
                self.clock = float(dict(FIELD.findall(rest))["clock"])
            elif gt is not None and event:
                event(self.gts[int(gt)], self.last, rest, dict(FIELD.findall(rest)))
        except (KeyError, ValueError):
            pass

    @staticmethod
    def read_sched(gt, time, rest, field):
        engine, ctx = field["engine"], field["ctx"]
        if rest.startswith("in "):
            text = f"{engine}: context {ctx}, address space {field['asid']}"
            gt.begin(engine, Bar(time, text, context_color(ctx), ctx), gt.engines[engine])
        elif rest.startswith("out "):
            gt.end(engine, time, f", then {word(STATES, field['state'])}")

    @staticmethod
    def read_fault(gt, time, rest, field):
        key = "fault", field["tag"]
        if rest.startswith("report "):
            text = f"page fault: {word(ACCESS, field['access'])} of {field['va']} by context {field['ctx']} " \
                   f"on {field['engine']}, address space {field['asid']}, level {field['level']}"
            gt.begin(key, Bar(time, text, context_color(field["ctx"]), field["ctx"]), gt.faults)
        elif rest.startswith("response "):
            bar = gt.end(key, time, "")
            if bar and field["failed"] != "0":
                bar.text += ", not served"
                bar.color = "red"

    @staticmethod
    def read_guc(gt, time, rest, field):
        if rest.startswith("flush "):
            seqno = int(field["seqno"])
            space = "" if field["asid"] == "-1" else f" of address space {field['asid']}"
            what = "all" if field["size"] == ALL else f"{field['size']} from {field['va']}"
            gt.begin(("flush", seqno), Bar(time, f"TLB flush {seqno}{space}, {what}", "#c60"), gt.flushes)
            return
        match = MESSAGE.match(rest)
        if not match:
            return
        way, name, first = match.groups()
        gt.messages[way].append((time, name))
        if name == "TLB_INVALIDATION_DONE":
            gt.end(("flush", int(first, 16)), time, "")

    @staticmethod
    def read_cs(gt, time, rest, _field):
        if rest.startswith("USER_INTERRUPT "):
            gt.jobs.append(time)

    @staticmethod
    def read_reset(gt, time, _rest, _field):
        gt.end_all(time, ", ended by a reset")


def align(traces):
    """Every simulator counts from its own start; the clock of the machine tells how far these are apart."""
    first = min(trace.clock for trace in traces)
    for trace in traces:
        delta = trace.clock - first
        if not delta:
            continue
        for gt in trace.gts.values():
            for bar in all_bars(gt):
                bar.start += delta
                bar.end += delta
            gt.jobs = [time + delta for time in gt.jobs]
            for way, messages in gt.messages.items():
                gt.messages[way] = [(time + delta, name) for time, name in messages]


def all_bars(gt):
    for bars in (*gt.engines.values(), gt.flushes, gt.faults):
        yield from bars


def extent(traces):
    """When the first and the last thing happens that is drawn."""
    times = []
    for trace in traces:
        for gt in trace.gts.values():
            times += [time for bar in all_bars(gt) for time in (bar.start, bar.end)]
            times += [time for messages in gt.messages.values() for time, _ in messages]
    if not times:
        die(f"{traces[0].path} has neither jobs nor messages", "take the trace of a run that loads the driver")
    return min(times), max(times)


def cut(gt, start, end):
    """Leave only what is between start and end."""
    def inside(bar):
        return bar.start <= end and bar.end >= start

    gt.engines = {name: [bar for bar in bars if inside(bar)] for name, bars in gt.engines.items()}
    gt.flushes = [bar for bar in gt.flushes if inside(bar)]
    gt.faults = [bar for bar in gt.faults if inside(bar)]
    gt.jobs = [time for time in gt.jobs if start <= time <= end]
    for way, messages in gt.messages.items():
        gt.messages[way] = [message for message in messages if start <= message[0] <= end]


def stack(bars):
    """Rows of bars none of which overlap."""
    rows, free = [], []
    for bar in sorted(bars, key=lambda bar: bar.start):
        if free and free[0][0] <= bar.start:
            row = heapq.heappop(free)[1]
        else:
            row = len(rows)
            rows.append([])
        rows[row].append(bar)
        heapq.heappush(free, (bar.end, row))
    return rows or [[]]


def span(seconds):
    """A time in its unit."""
    factor, unit = next((pair for pair in UNITS if seconds >= pair[0]), UNITS[-1])
    return f"{seconds / factor:.4g} {unit}"


def mean_and_max(bars):
    times = [bar.end - bar.start for bar in bars]
    if not times:
        return ["0", "-", "-"]
    return [str(len(times)), span(sum(times) / len(times)), span(max(times))]


class Picture:
    """The SVG, from top to bottom."""

    def __init__(self, start, end):
        self.start = start
        self.end = end
        self.y = 0
        self.parts = []

    def x(self, time):
        time = min(max(time, self.start), self.end)
        return LEFT + (time - self.start) / (self.end - self.start) * (WIDTH - LEFT - RIGHT)

    def text(self, x, y, text, kind="plain"):
        self.parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{html.escape(text)}</text>')

    def line(self, text, kind="plain"):
        """A line of text of its own."""
        self.y += ROW + GAP
        self.text(10, self.y - 4, text, kind)

    def rect(self, kind, x, width, height, color, text):
        self.parts.append(f'<rect class="{kind}" x="{x:.2f}" y="{self.y}" width="{width:.2f}" height="{height}" '
                          f'fill="{color}"><title>{html.escape(text)}</title></rect>')

    def name(self, text):
        """Of the lane that comes next."""
        self.parts.append(f'<path d="M{LEFT} {self.y - 2.5}H{WIDTH - RIGHT}" class="edge"/>')
        self.text(LEFT - 8, self.y + ROW - 4, text, "name")

    def bars(self, kind, name, bars):
        rows = stack(bars)
        self.name(name)
        height = ROW if len(rows) == 1 else 10
        for row in rows:
            for group in self.together(row, lambda bar: (bar.start, bar.end)):
                self.bar(kind, group, height)
            self.y += height + 1
        self.y += GAP

    def together(self, items, times):
        """Groups of what is too small and too close to be told apart."""
        group, left = [], 0.0
        for item in items:
            x, end = map(self.x, times(item))
            if group and end - left > CLOSE:
                yield group
                group = []
            if not group:
                left = x
            group.append(item)
        if group:
            yield group

    def bar(self, kind, group, height):
        first, last = group[0], group[-1]
        x = self.x(first.start)
        width = max(self.x(last.end) - x, 0.8)
        text = f"{first.text}: {span(first.end - first.start)}, from {first.start:.6f} s"
        color = first.color
        if len(group) > 1:
            text = f"{len(group)} together, zoom in to tell them apart; the first is {text}"
            color = "#555"
        self.rect(kind, x, width, height, color, text)
        label = f"ctx {first.label}"
        if len(group) == 1 and first.label and height == ROW and width > len(label) * LETTER + 6:
            self.text(x + 3, self.y + ROW - 4, label, "in")

    def ticks(self, name, messages):
        self.name(name)
        for group in self.together(messages, lambda message: (message[0], message[0])):
            counts = collections.Counter(message for _, message in group)
            text = ", ".join(message if n == 1 else f"{n} {message}" for message, n in counts.most_common())
            self.rect("message", self.x(group[0][0]), 0.8, ROW, "#36c", f"{text}, at {group[0][0]:.6f} s")
        self.y += ROW + GAP

    def gt(self, name, gt):
        self.line(name, "head")
        self.y += GAP
        for engine in sorted(gt.engines, key=lambda name: (ENGINES.find(name[:3]) % 99, len(name), name)):
            self.bars("run", engine, gt.engines[engine])
        self.ticks("to GuC", gt.messages["h2g"])
        self.ticks("from GuC", gt.messages["g2h"])
        self.bars("flush", "TLB flushes", gt.flushes)
        self.bars("fault", "page faults", gt.faults)

    def axis(self):
        """Lines through all lanes that came before; steps of less than a second count from the left edge."""
        step = nice((self.end - self.start) / 12)
        factor, unit = next((pair for pair in UNITS if step >= pair[0] * 0.999), UNITS[-1])
        first, sign = (0.0, "") if factor == 1 else (self.start, "+")
        if sign:
            self.text(LEFT - 50, self.y + ROW, f"{self.start:.6f} s", "name")
        for n in range(math.ceil((self.start - first) / step), math.floor((self.end - first) / step) + 1):
            x = self.x(first + n * step)
            self.parts.insert(0, f'<path d="M{x:.1f} 50V{self.y}" class="grid"/>')
            if x < WIDTH - RIGHT - 20:
                self.text(x, self.y + ROW, f"{sign}{n * step / factor:.10g} {unit}", "time")
        self.y += ROW + GAP

    def table(self, rows):
        """Of totals: the first row and the first column are names."""
        for n, row in enumerate(rows):
            self.y += ROW + 2
            for column, cell in enumerate(row):
                self.text(10 if not column else LEFT + 60 + 110 * column, self.y, cell, "cell" if column else "plain")
            if not n:
                self.y += 2
        self.y += GAP

    def svg(self):
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.y + 10}" '
            f'viewBox="0 0 {WIDTH} {self.y + 10}">',
            "<style>text{font:11px sans-serif}.title{font-size:15px}.head{font-weight:bold}.name,.cell{text-anchor:end}"
            ".time{text-anchor:middle}.in{fill:#000;pointer-events:none}.grid{stroke:#ddd}.edge{stroke:#eee}</style>",
            f'<rect width="{WIDTH}" height="{self.y + 10}" fill="white"/>', *self.parts, "</svg>\n"])


def nice(step):
    """The next larger of 1, 2 and 5 with zeros."""
    power = 1e-6
    while power * 10 <= step:
        power *= 10
    return next(power * n for n in (1, 2, 5, 10) if power * n >= step or n == 10)


def draw(traces, start, end, title):
    picture = Picture(start, end)
    totals = [["in this picture", "jobs", "messages", "runs", "mean", "max", "TLB flushes", "mean", "max",
               "page faults", "mean", "max"]]
    picture.line(title, "title")
    picture.line("Engines: a bar is a context on an engine, its color the context's. TLB flushes: from the driver's request to "
                 "GuC's answer. Page faults: from GuC's report to the driver's answer; red: not served. Grey: several bars.")
    for trace in traces:
        for number, gt in sorted(trace.gts.items()):
            name = f"{trace.name} gt{number}"
            cut(gt, start, end)
            picture.gt(name, gt)
            runs = [bar for bars in gt.engines.values() for bar in bars]
            totals.append([name, str(len(gt.jobs)), str(sum(map(len, gt.messages.values()))), *mean_and_max(runs),
                           *mean_and_max(gt.flushes), *mean_and_max(gt.faults)])
    picture.axis()
    picture.table(totals)
    return picture.svg()


def seconds(text):
    """Of an option that may be empty."""
    if not text:
        return None
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
        die(f"'{text}' is not a number of seconds", "give FROM and TO as in FROM=1.5 TO=2")
    return float(text)


def find(run):
    """The traces of a run, gpu10 after gpu9, and where the picture goes."""
    if not run:
        die("no run is named", "give the folder of one with TRACE=1, as in RUN=out/igt/ours-basic")
    if os.path.isfile(run):
        return [run], os.path.splitext(run)[0] + ".svg"
    paths = sorted(glob.glob(os.path.join(glob.escape(run), "gpu*.trace")), key=lambda path: (len(path), path))
    if not paths:
        die(f"there is no gpu*.trace in {run}", "run it with TRACE=1 (make igt) or --trace (scripts/guest)")
    return paths, os.path.join(run, "timeline.svg")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--from", dest="start", metavar="SECONDS", default="")
    parser.add_argument("--to", dest="end", metavar="SECONDS", default="")
    parser.add_argument("--out", metavar="FILE", default="")
    args = parser.parse_args()
    start, end = seconds(args.start), seconds(args.end)
    paths, out = find(args.run)
    traces = [Trace(path) for path in paths]
    align(traces)
    first, last = extent(traces)
    start = first if start is None else start
    end = last if end is None else end
    if start > last or end < first or end <= start and first != last:
        die(f"nothing happens from {start:g} to {end:g} s",
            f"give a FROM before TO, between {first:.6f} and {last:.6f}")
    end = max(end, start + 1e-6)
    title = f"{args.run}: {start:.6f} to {end:.6f} s"
    try:
        with open(args.out or out, "w", encoding="utf-8") as file:
            file.write(draw(traces, start, end, title))
    except OSError as error:
        die(f"cannot write {args.out or out}: {error.strerror}", "give OUT=FILE")
    print(f"written: {args.out or out}, {start:.6f} to {end:.6f} s of {first:.6f} to {last:.6f} s")


if __name__ == "__main__":
    main()
