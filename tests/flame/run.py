#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every format of `tokprof flame` in its real reader: go tool pprof, perfetto's definitions, speedscope and a browser; and the page of `tokprof report`.

Needs a made recording (build/bench/bench_flame), no server and no privilege. Arguments choose tests by words of their names. The last line is 'N passed, N failed'.
"""

import base64
import collections
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
import xml.etree.ElementTree

import webdriver

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOKPROF = os.environ.get("TOKPROF", os.path.join(ROOT, "build", "tokprof"))
READERS = os.path.join(ROOT, "build", "readers")
N_SAMPLES = 2000


def run(*command, **how):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False, **how)
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
    return done.stdout


class Made:
    """A made recording and what is drawn of it, each format once."""

    def __init__(self, folder):
        self.folder = folder
        self.recording = os.path.join(folder, "made.tokprof")
        run(os.path.join(ROOT, "build", "bench", "bench_flame"), self.recording, str(N_SAMPLES))
        self.report = json.loads(run(TOKPROF, "report", self.recording, "--format", "json"))
        self.total = self.report["totals"]["cpu_ns"]

    def draw(self, *options, suffix=""):
        path = os.path.join(self.folder, "-".join(["drawn", *options]).replace("/", "_") + suffix)
        if not os.path.exists(path):
            run(TOKPROF, "flame", self.recording, *options, "-o", path)
        return path

    def page(self):
        path = os.path.join(self.folder, "report.html")
        if not os.path.exists(path):
            run(TOKPROF, "report", self.recording, "--format", "html", "-o", path)
        return path

    def folded(self, *options):
        with open(self.draw("--format", "folded", *options), encoding="utf-8") as f:
            return [(stack.split(";"), int(value)) for stack, value in (line.rstrip("\n").rsplit(" ", 1) for line in f)]

    def phase(self, phase):
        return sum(r["cost"]["by_phase"].get(phase, {}).get("cpu_ns") or 0 for r in self.report["requests"] if r["cost"])


def test_folded_adds_up_to_the_reports_total_phase_by_phase(made):
    roots = collections.Counter()
    for stack, value in made.folded():
        assert value > 0
        roots[stack[0]] += value
    assert sum(roots.values()) == made.total
    for phase in ("prefill", "decode"):
        assert roots[phase] == made.phase(phase), phase
    assert roots["host"] == made.report["accounts"]["host"]["cpu_ns"]


def test_folded_of_a_request_adds_up_to_the_request(made):
    request = next(r for r in made.report["requests"] if r["cost"] and r["cost"]["cpu_ns"])
    assert sum(value for _, value in made.folded("--request", str(request["id"]))) == request["cost"]["cpu_ns"]


def test_a_token_has_thousandths_and_its_root_says_so(made):
    per_token = collections.Counter()
    for stack, value in made.folded("--per", "token"):
        per_token[stack[0]] += value
    # The prompt's last step puts out the first one.
    tokens = sum(max(r["computed"]["completion_tokens"] - 1, 0) for r in made.report["requests"])
    root = "decode (thousandths of ns per generated token)"
    assert abs(per_token[root] - made.phase("decode") * 1000 / tokens) <= 1


def test_go_reads_the_profile_with_its_labels_and_adds_up_the_same(made):
    profile = made.draw("--format", "pprof", suffix=".pb.gz")
    env = {**os.environ, "PPROF_TMPDIR": made.folder, "GOCACHE": os.path.join(READERS, "go")}
    raw = run("go", "tool", "pprof", "-raw", profile, env=env).decode(errors="replace")
    assert "cpu/nanoseconds" in raw and "tokens/count" in raw and "requests/count" in raw, raw[:400]
    samples = raw.split("Samples:")[1].split("Locations")[0]
    values = [list(map(int, m)) for m in re.findall(r"^ +(-?\d+) +(-?\d+) +(-?\d+):", samples, re.M)]
    assert sum(v[0] for v in values) == made.total
    computed = [r["computed"] for r in made.report["requests"]]
    assert sum(v[1] for v in values) == sum(c["prompt_tokens"] + c["completion_tokens"] for c in computed)
    assert sum(v[2] for v in values) == len(computed)
    tags = run("go", "tool", "pprof", "-tags", profile, env=env).decode(errors="replace")
    for label in ("phase", "request", "model", "account"):
        assert re.search(rf"^ {label}: Total", tags, re.M), tags[:800]
    assert gzip.open(profile).read(1) == b"\x0a"


def test_perfetto_reads_every_request_step_and_sample(made):
    told = json.loads(run(os.path.join(READERS, "venv", "bin", "python"), os.path.join(ROOT, "tests", "flame", "perfetto_reader.py"),
                          made.draw("--format", "perfetto")))
    n_steps = int(run("sqlite3", made.recording, "SELECT count(*) FROM step"))
    assert told["same_bytes"] and told["open"] == 0, told
    assert told["instants"] == N_SAMPLES
    assert sum(n for name, n in told["slices"].items() if name.startswith("steps:")) == n_steps
    assert sum(n for name, n in told["slices"].items() if re.fullmatch(r"request:request \d+", name)) == len(made.report["requests"])
    assert told["n_flows"] == len(made.report["requests"])
    assert told["last"] == {"requests waiting": 0, "requests running": 0}, told["last"]


def test_svg_is_well_formed_and_has_no_script(made):
    tree = xml.etree.ElementTree.parse(made.draw("--format", "svg"))
    names = {element.tag.split("}")[1] for element in tree.iter()}
    assert names <= {"svg", "style", "rect", "text", "g", "title"}, names
    with open(made.draw("--format", "svg"), encoding="utf-8") as f:
        assert "http" not in f.read().replace("http://www.w3.org/2000/svg", "")


def test_json_is_a_tree_whose_sums_hold(made):
    with open(made.draw("--format", "json"), encoding="utf-8") as f:
        graph = json.load(f)
    frames = graph["frames"]
    sums = [frame["self"] for frame in frames]
    for i in range(len(frames) - 1, 0, -1):
        assert frames[i]["parent"] < i
        sums[frames[i]["parent"]] += sums[i]
    assert sums == [frame["total"] for frame in frames]
    assert graph["schema"] == "tokprof.flame/1" and frames[0]["total"] == made.total


def test_a_browser_zooms_searches_and_obeys_the_keyboard(made):
    with webdriver.Browser() as browser:
        browser.open("file://" + made.draw("--format", "html", suffix=".html"))
        assert browser.script("return document.title") == "CPU time: made.tokprof"
        boxes = "return document.querySelectorAll('#chart g').length"
        whole = browser.script(boxes)
        assert whole > 20
        second = "return document.querySelectorAll('#chart g')[arguments[0]].querySelector('title').textContent"
        assert browser.script(second, 0).startswith("all\n")
        decode = browser.script("return [...document.querySelectorAll('#chart g')].find(g => "
                                "g.querySelector('title').textContent.startsWith('decode')).dataset.box")
        width = "return Number(document.querySelector(`#chart g[data-box='${arguments[0]}'] rect`).getAttribute('width'))"
        before = browser.script(width, decode)
        browser.click(f"#chart g[data-box='{decode}'] rect")
        assert browser.script(width, decode) > before
        assert "decode" in browser.script("return document.getElementById('detail').textContent")
        browser.type("body", "\ue00c")  # Escape
        assert browser.script(boxes) == whole
        browser.type("body", "/")
        assert browser.script("return document.activeElement.id") == "search"
        browser.type("#search", "kernel_function")
        assert browser.script("return document.querySelectorAll('#chart g.found').length") > 0
        assert re.match(r"\d+ boxes, .* of all", browser.script("return document.getElementById('found').textContent"))
        browser.type("#search", "\ue00c")
        browser.script("document.querySelector('#chart g').focus()")
        browser.type("#chart g", "\ue015")  # ArrowDown
        assert browser.script("return document.activeElement.querySelector('title').textContent").startswith("prefill")
        browser.type("#chart g:focus", "\ue014")  # ArrowRight
        assert browser.script("return document.activeElement.querySelector('title').textContent").startswith("decode")
        browser.type("#chart g:focus", "\ue007")  # Enter
        assert browser.script(width, decode) > before
        assert base64.b64decode(browser.screenshot()).startswith(b"\x89PNG")
        assert browser.complaints() == [], browser.complaints()


def test_a_page_without_script_still_shows_the_drawing(made):
    page = made.draw("--format", "html", suffix=".html")
    with open(page, encoding="utf-8") as f:
        text = f.read()
    assert len(text) < 3_000_000
    drawing = text.split('<div id="chart">')[1].split("</div>")[0]
    assert drawing.count("<rect") > 20 and "<text" in drawing
    with open(os.path.join(made.folder, "no-script.html"), "w", encoding="utf-8") as f:
        f.write(re.sub(r"<script>.*?</script>", "", text, flags=re.S))
    with webdriver.Browser("--blink-settings=preferredColorScheme=0") as browser:
        browser.open("file://" + f.name)
        assert browser.script("return document.querySelectorAll('#chart rect').length") == drawing.count("<rect")
        assert browser.script("return matchMedia('(prefers-color-scheme: dark)').matches")
        assert browser.script("return getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"


# The exact figures of a column of a table of the report's page, from top to bottom; None: a dash.
COLUMN = """const table = document.querySelector(arguments[0]);
    return [...table.tBodies[0].rows].map(row => {
      const data = row.cells[arguments[1]].querySelector("data");
      return data ? Number(data.value) : null;
    });"""


def test_a_report_in_a_browser_has_its_tables_sorted_by_a_click(made):
    requests = "#requests .frame:last-of-type table"
    with webdriver.Browser() as browser:
        browser.open("file://" + made.page())
        ids = browser.script(COLUMN, requests, 0)
        assert ids == [r["id"] for r in made.report["requests"]], ids
        heads = browser.script("return [...document.querySelectorAll(arguments[0] + ' thead th span')].map(x => x.textContent)", requests)
        at = heads.index("CPU time")
        costs = browser.script(COLUMN, requests, at)
        assert costs == [r["cost"]["cpu_ns"] for r in made.report["requests"]]
        for expected in (sorted(costs), sorted(costs, reverse=True)):
            browser.click(f"{requests} thead th:nth-child({at + 1}) button")
            assert browser.script(COLUMN, requests, at) == expected
        assert browser.script("return document.querySelectorAll(arguments[0] + ' [aria-sort=descending]').length", requests) == 1
        total = browser.script("return document.querySelector('.ledger tfoot data').value")
        parts = browser.script(COLUMN, ".ledger", 1)
        within = browser.script("return [...document.querySelector('.ledger').tBodies[0].rows].map(row => row.className === 'of')")
        assert int(total) == made.total == sum(value for value, inner in zip(parts, within) if not inner)
        # The flame graph's own script is at work in the same page.
        assert browser.script("return document.querySelectorAll('#chart g[data-box]').length") > 20
        assert browser.complaints() == [], browser.complaints()


def test_a_report_without_script_has_every_figure_and_drawing(made):
    with open(made.page(), encoding="utf-8") as f:
        text = f.read()
    with open(os.path.join(made.folder, "report-no-script.html"), "w", encoding="utf-8") as f:
        f.write(re.sub(r"<script>.*?</script>", "", text, flags=re.S))
    with webdriver.Browser("--blink-settings=preferredColorScheme=0") as browser:
        browser.open("file://" + f.name)
        drawn = "return [...document.querySelectorAll('svg.chart, #chart svg')].map(x => x.getBoundingClientRect().height > 40)"
        assert all(browser.script(drawn)) and len(browser.script(drawn)) >= 5
        assert browser.script("return document.querySelectorAll('button').length") == text.split("<script>")[0].count("<button")
        assert browser.script("return getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"


def test_speedscope_imports_the_profile(made):
    """As its own command line does it: the file as a script beside the page, which the page then imports."""
    with open(made.draw("--format", "speedscope"), "rb") as f:
        profile = f.read()
    assert sum(json.loads(profile)["profiles"][0]["weights"]) == made.total
    loader = os.path.join(made.folder, "profile.js")
    with open(loader, "w", encoding="ascii") as f:
        f.write(f"speedscope.loadFileFromBase64('made.speedscope.json', '{base64.b64encode(profile).decode()}')")
    page = os.path.join(READERS, "package", "dist", "release", "index.html")
    with webdriver.Browser("--enable-unsafe-swiftshader") as browser:
        browser.open(f"file://{page}#localProfilePath={loader}")
        title = browser.ask("POST", browser.session + "/execute/async", {"args": [], "script": """
            const done = arguments[0], until = Date.now() + 15000;
            (function look() {
              if (document.title.includes("made.tokprof") || Date.now() > until) done(document.title);
              else setTimeout(look, 50);
            })();"""})
    assert "CPU time: made.tokprof" in title, title


def main():
    failed = passed = 0
    run("make", "-s", "build/bench/bench_flame", cwd=ROOT)
    with tempfile.TemporaryDirectory(prefix="tokprof-flame.") as folder:
        made = Made(folder)
        for name, test in sorted((n, t) for n, t in globals().items() if n.startswith("test_")):
            if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
                continue
            try:
                test(made)
                passed += 1
                print(f"ok    {name[5:]}", flush=True)
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print(f"FAIL  {name[5:]}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
