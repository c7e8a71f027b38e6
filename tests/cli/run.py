#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line of build/tokprof as a user meets it: help, wrong usage, exit codes, bad input, closed pipes.

Needs no server. What needs a recording makes one of a process that sleeps, which needs root; without it those are skipped.
The last line is 'N passed, N failed', with ', N skipped' where some were.
"""

import csv
import hashlib
import html.parser
import io
import json
import os
import pty
import re
import select
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOKPROF = os.environ.get("TOKPROF", os.path.join(ROOT, "build", "tokprof"))
SENSORS = {"perf", "uprobe", "sched", "syscalls", "ioctl", "dma_fence", "gpu_scheduler", "resctrl", "uncore", "rapl", "nvml"}
GRADES = {"measured", "derived", "self_reported", "unavailable"}


class Skip(Exception):
    """The test cannot be made here."""


def run(*args, env=None, cwd=None):
    """Run tokprof. Returns (exit code, standard output, standard error)."""
    done = subprocess.run([TOKPROF, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False, cwd=cwd,
                          env={**os.environ, **(env or {})})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def commands():
    """Names of the commands, from the help itself."""
    text = run("--help")[1].split("Commands:\n")[1].split("\n\n")[0]
    return re.findall(r"^  (\S+)", text, re.M)


def fails(code, *args, says=(), **how):
    """It ends with this code, prints nothing on stdout and one line on stderr that has all these words."""
    got, out, err = run(*args, **how)
    assert got == code, f"exit {got}, not {code}: {args}: {err}"
    assert out == "", f"printed on standard output: {out}"
    assert err.startswith("tokprof"), err
    assert err.count("\n") == 1, f"not one line: {err}"
    for word in says:
        assert word in err, f"'{word}' is not in: {err}"


RECORDING = None


def recording(directory):
    """A recording of a process that sleeps, made once."""
    global RECORDING
    if RECORDING is None:
        path = os.path.join(directory, "run.tokprof")
        code, _, err = run("record", "-o", path, "--", "sleep", "0.2")
        RECORDING = path if code == 0 else Skip(f"no recording can be made here: {err.strip()}")
    if isinstance(RECORDING, Skip):
        raise RECORDING
    return RECORDING


# --- help --------------------------------------------------------------------------------------------------------------

def test_without_a_command_the_usage_goes_to_stderr(_):
    code, out, err = run()
    assert (code, out) == (2, "") and err.startswith("Usage: tokprof COMMAND"), err


def test_help_goes_to_stdout_and_fits_80_columns(_):
    pages = [["--help"], ["help"], ["-h"]] + [[c, "--help"] for c in commands()] + [["help", c] for c in commands()]
    for page in pages:
        code, out, err = run(*page)
        assert (code, err) == (0, ""), (page, code, err)
        assert out.startswith("Usage: tokprof"), out
        for line in out.splitlines():
            assert len(line) <= 80, f"{page}: {line}"


def test_every_command_of_this_version_is_listed(_):
    assert {"doctor", "list", "calibrate", "record", "report", "verify", "overhead", "flame"} <= set(commands()), commands()
    for absent in ("top", "agent"):
        if absent not in commands():
            fails(2, absent, says=["no such command"])


def test_a_trace_takes_no_choice_that_it_would_not_heed(_):
    for choice in (["--resource", "offcpu"], ["--per", "token"], ["--request", "1"], ["--phase", "decode"]):
        fails(2, "flame", "run.tokprof", "--format", "perfetto", *choice, says=["as it went"])


def test_version_is_one_line(_):
    code, out, _err = run("--version")
    assert code == 0 and re.fullmatch(r"tokprof version \S+\n", out), out


def test_every_option_of_the_help_stands_in_the_manual_page(_):
    for command in commands():
        with open(os.path.join(ROOT, "man", f"tokprof-{command}.1"), encoding="utf-8") as f:
            page = f.read()
        options = re.findall(r"^ {2,6}(?:-(\w), )?--([a-z-]+)", run(command, "--help")[1], re.M)
        assert len(options) >= 3, options
        for letter, name in options:
            assert re.search(rf"Fl -{name}\b", page), f"--{name} is not in man/tokprof-{command}.1"
            assert not letter or re.search(rf"^\.It Fl {letter} ,", page, re.M), f"-{letter} of {command}"
        # ... and no page describes an option that is gone.
        for name in re.findall(r"^\.It Fl (?:\w , Fl )?-([a-z-]+)", page, re.M):
            assert name in [o[1] for o in options], f"man/tokprof-{command}.1 describes --{name}"


def test_every_command_has_a_manual_page_that_formats_without_warnings(_):
    if not shutil.which("groff"):
        raise Skip("no groff")
    for command in [""] + [f"-{c}" for c in commands()]:
        path = os.path.join(ROOT, "man", f"tokprof{command}.1")
        done = subprocess.run(["groff", "-mandoc", "-Tutf8", "-ww", "-z", path], capture_output=True, check=False, timeout=60)
        assert done.returncode == 0 and not done.stderr, done.stderr.decode()


# --- wrong usage -------------------------------------------------------------------------------------------------------

def test_a_mistyped_command_is_2_and_named(_):
    fails(2, "reprot", says=["no such command", "did you mean 'report'"])
    fails(2, "zzzz", says=["no such command", "--help"])
    fails(2, "--hlep", says=["no such option", "did you mean --help"])
    fails(2, "help", "zzzz", says=["no such command"])


def test_a_mistyped_option_is_2_and_named_in_every_command(_):
    for command in commands():
        fails(2, command, "--hlep", says=[f"tokprof {command}:", "no such option", "did you mean --help"])
        fails(2, command, "-Z", says=["-Z: no such option"])
        fails(2, command, "--help=x", says=["takes no value"])


def test_wrong_choices_name_the_right_ones(_):
    fails(2, "report", "x", "--by", "stp", says=["did you mean 'step'"])
    fails(2, "report", "x", "--format", "pdf", says=["--format 'pdf'", "text, json, csv, html"])
    fails(2, "report", "x", "--format", "html", "--by", "step", says=["--format html is one page", "no --by"])
    fails(2, "report", "x", "--fixed-by", "rwo", says=["did you mean 'row'"])
    fails(2, "report", "x", "--rule", "zzz", says=["per-token"])
    fails(2, "report", "x", "--by", "layers", says=["did you mean 'layer'"])


def test_operands_that_miss_or_are_too_many_are_2(_):
    fails(2, "report", says=["No file was named"])
    fails(2, "report", "a", "b", says=["one recording at a time"])
    fails(2, "report", "x", "--by", says=["value is missing"])
    fails(2, "doctor", "x", says=["no operand"])
    fails(2, "record", says=["--help"])


def test_usage_is_checked_before_privilege_and_target(_):
    fails(2, "record", "-p", "x", says=["whole number"])
    fails(2, "record", "-p", "0", says=["whole number"])
    fails(2, "overhead", says=["-p"])


# --- bad input ---------------------------------------------------------------------------------------------------------

def test_what_is_no_recording_is_2_and_named(directory):
    def put(name, data):
        path = os.path.join(directory, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    foreign = os.path.join(directory, "foreign.db")
    with sqlite3.connect(foreign) as db:
        db.execute("create table t(x)")
    fails(2, "report", os.path.join(directory, "nothing-here"), says=["nothing-here", "No such file"])
    for path in (directory, put("empty", b""), put("text", b"hello\n" * 1000), foreign,
                 put("header", b"SQLite format 3\0" + b"\xff" * 84), put("escape\x1b[31m", b"x")):
        fails(2, "report", path, says=[os.path.basename(path).replace("\x1b", "?")])


def test_a_damaged_recording_is_2_or_reported_and_never_a_crash(directory):
    with open(recording(directory), "rb") as f:
        data = f.read()
    path = os.path.join(directory, "damaged")
    for at in list(range(0, 200, 7)) + list(range(200, len(data), max(1, len(data) // 60))):
        for damaged in (data[:at], data[:at] + b"\xff" * 16 + data[at + 16:]):
            with open(path, "wb") as f:
                f.write(damaged)
            code, _out, err = run("report", path)
            assert code in (0, 2), f"exit {code} with damage at {at}: {err}"
            assert code == 0 or err.startswith("tokprof report:"), err


def test_a_killed_recording_is_reported_and_incomplete(directory):
    path = os.path.join(directory, "killed.tokprof")
    recording(directory)
    with subprocess.Popen([TOKPROF, "record", "-o", path, "--", "sleep", "30"], stderr=subprocess.PIPE) as recorder:
        for line in recorder.stderr:
            if line.startswith(b"recording "):
                break
        select.select([], [], [], 0.7)      # one commit at least
        recorder.kill()
        recorder.wait()
    code, out, err = run("report", path, "--format", "json")
    assert code == 0, err
    assert json.loads(out)["recording"]["complete"] is False
    assert "INCOMPLETE" in run("report", path)[1]


# --- results -----------------------------------------------------------------------------------------------------------

def test_doctor_names_every_sensor_in_json_and_text(_):
    code, out, err = run("doctor", "--json")
    assert (code, err) == (0, ""), err
    report = json.loads(out)
    assert report["schema"] == "tokprof.doctor/1"
    assert SENSORS <= {s["id"] for s in report["sensors"]}, out
    for sensor in report["sensors"]:
        assert set(sensor) >= {"id", "resource", "grade", "source", "reason", "remedy"}
        assert sensor["grade"] in GRADES, sensor
        assert sensor["grade"] != "unavailable" or (sensor["reason"] and sensor["remedy"]), sensor
    code, out, err = run("doctor")
    assert (code, err) == (0, ""), err
    for sensor in report["sensors"]:
        assert f"\n{sensor['id']} " in out, sensor
    assert max(len(line) for line in out.splitlines()) <= 80


def test_doctor_without_privilege_is_0_and_says_what_is_missing(_):
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("needs root, to give it up")
    # The checkout may lie where nobody else can go: a copy that everybody can reach.
    with tempfile.NamedTemporaryFile(prefix="tokprof-cli-") as copy:
        shutil.copy(TOKPROF, copy.name)
        os.chmod(copy.name, 0o755)
        copy.file.close()
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", copy.name,
                               "doctor", "--json"], capture_output=True, check=False, timeout=60, cwd="/")
        assert done.returncode == 0, done.stderr.decode()
        sensors = {s["id"]: s for s in json.loads(done.stdout)["sensors"]}
        assert sensors["sched"]["grade"] == "unavailable", sensors["sched"]
        assert "root" in sensors["sched"]["remedy"], sensors["sched"]


def test_the_formats_tell_the_same_recording(directory):
    path = recording(directory)
    code, out, err = run("report", path, "--format", "json")
    assert (code, err) == (0, ""), err
    report = json.loads(out)
    assert report["schema"] == "tokprof.report/1" and report["recording"]["complete"] is True
    for key, total in report["totals"].items():
        if isinstance(total, int):
            parts = [r["cost"][key] for r in report["requests"]] + [a[key] for a in report["accounts"].values()]
            assert sum(parts) == total, key
    code, out, err = run("report", "--format=csv", path)
    assert (code, err) == (0, ""), err
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert len(rows) == len(report["requests"]) and "cpu_ns" in out.split("\r\n")[0]
    code, out, err = run("report", "--format=html", path)
    assert (code, err) == (0, "") and out.startswith("<!DOCTYPE html>") and out.endswith("</html>\n"), err
    assert f'<data value="{report["totals"]["cpu_ns"]}">' in out
    code, out, err = run("report", path)
    assert (code, err) == (0, "") and "Ledger" in out and "Evidence" in out, out


def test_every_grouping_works_in_every_format(directory):
    for by in ("request", "token", "step", "phase", "model", "client"):
        for fmt in ("text", "json", "csv"):
            code, out, err = run("report", recording(directory), "--by", by, "--format", fmt)
            assert code == 0 and out, (by, fmt, err)


def test_o_writes_a_file_and_refuses_the_recording_itself(directory):
    path, out_path = recording(directory), os.path.join(directory, "out.json")
    assert run("report", path, "--format", "json", "-o", out_path) == (0, "", "")
    with open(out_path, encoding="utf-8") as f:
        assert f.read() == run("report", path, "--format", "json")[1]
    fails(2, "report", path, "-o", path, says=["is the recording itself"])
    fails(2, "report", path, "-o", os.path.join(directory, "none", "x"), says=["No such file"])
    fails(2, "report", path, "-o", "/dev/full", says=["No space left"])


def test_the_same_recording_gives_the_same_bytes(directory):
    for fmt in ("text", "json", "csv", "html"):
        args = ("report", recording(directory), "--format", fmt)
        assert run(*args) == run(*args, env={"LC_ALL": "C", "TZ": "Asia/Tokyo", "COLUMNS": "200", "TERM": "xterm"}), fmt


def test_a_full_disk_on_stdout_is_2(directory):
    for args in (["report", recording(directory)], ["doctor"], ["--help"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([TOKPROF, *args], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
        assert done.returncode == 2 and b"No space left" in done.stderr, (args, done)


def test_a_reader_that_leaves_is_no_error(directory):
    for args in (["report", recording(directory)], ["doctor"], ["--help"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([TOKPROF, *args], stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60)
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, b""), (args, done)


# --- verify ------------------------------------------------------------------------------------------------------------

def insert(db, table, **values):
    db.execute(f"insert into {table} ({', '.join(values)}) values ({', '.join('?' * len(values))})", list(values.values()))


def billed_recording(directory):
    """The recording of a process that sleeps, with a server's three requests put into it; each has 10 + 5 tokens."""
    path = os.path.join(directory, "billed.tokprof")
    shutil.copy(recording(directory), path)
    ms = 1000000
    with sqlite3.connect(path) as db:
        db.execute("insert or replace into collector (name, doc, state) values ('engine', '', 'attached')")
        insert(db, "context", id=1, pid=100, address=1, memory=2, role="target")
        now = ms
        for k in range(3):
            insert(db, "memory", id=k + 1, time_ns=now + ms, tid=101, context=1, op=0, seq=k, seq_dst=-1, p0=0, p1=-1, delta=0)
            arrival, now = now, now + 2 * ms
            for i in range(5):
                step = 5 * k + i + 1
                insert(db, "step", id=step, context=1, tid=101, start_ns=now, duration_ns=ms, kind=0, flags=0, ret=0,
                       n_tokens=1 if i else 10, runq_ns=0, blocked_ns=0)
                insert(db, "row", step=step, ubatch=0, idx=0, seq=k, first_pos=9 + i if i else 0, n_tokens=1 if i else 10,
                       n_outputs=1)
                now += 2 * ms
            insert(db, "request", id=k + 1, connection=k + 1, pid=100, client="127.0.0.1:4000", arrival_ns=arrival,
                   request_end_ns=arrival, first_byte_ns=now, first_token_ns=now, last_token_ns=now, end_ns=now, method="POST",
                   path="/v1/completions", status=200, model="small", stream=0, client_left=0, n=1, n_prompts=1,
                   api_id=f"cmpl-{k + 1}", slot=k, billed_prompt_tokens=10, billed_cached_tokens=0, billed_completion_tokens=5,
                   incomplete=0)
            now += ms
    db.close()
    return path


HEAD = "request_id,model,prompt_tokens,cached_tokens,completion_tokens"
HONEST = [f"cmpl-{k},small,10,0,5" for k in (1, 2, 3)]


def bill(directory, *lines, head=HEAD, name="bill.csv"):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join([head, *lines]) + "\n")
    return path


def test_verify_tells_its_verdict_by_the_exit_status(directory):
    path = billed_recording(directory)
    code, out, err = run("verify", path)
    assert (code, err) == (0, "") and out.startswith("CONFIRMED\n"), (code, out, err)
    assert run("verify", path, "--bill", bill(directory, *HONEST))[0] == 0
    code, out, err = run("verify", path, "--bill", bill(directory, "cmpl-1,small,10,0,6", *HONEST[1:]))
    assert (code, err) == (1, "") and out.startswith("REFUTED\n"), (code, out, err)
    for words in ("1 more billed than put out", "request 1 (cmpl-1)", "line 2 of", "rule", "remedy"):
        assert words in out, (words, out)
    # Nothing was billed at all: that is no confirmation.
    code, out, err = run("verify", recording(directory))
    assert (code, err) == (3, "") and out.startswith("INCONCLUSIVE\n"), (code, out, err)


def test_verify_in_json_names_line_request_and_figures(directory):
    path = billed_recording(directory)
    made = bill(directory, HONEST[0], "cmpl-2,small,10,0,7", HONEST[2], HONEST[2], "cmpl-9,small,1,0,1")
    code, out, err = run("verify", path, "--bill", made, "--format", "json")
    assert (code, err) == (1, ""), (code, err)
    report = json.loads(out)
    assert report["schema"] == "tokprof.verify/1" and report["verdict"] == "REFUTED"
    for check in report["checks"]:
        assert set(check) >= {"id", "subject", "verdict", "claimed", "measured", "low", "high", "unit", "rule", "grade",
                              "evidence", "text"}, check
        assert check["verdict"] in ("CONFIRMED", "REFUTED", "INCONCLUSIVE") and check["grade"] in GRADES, check
    refuted = {c["id"]: c for c in report["checks"] if c["verdict"] == "REFUTED"}
    assert (refuted["bill.completion_tokens"]["claimed"], refuted["bill.completion_tokens"]["measured"]) == (7, 5)
    assert refuted["bill.completion_tokens"]["evidence"] == [2] and refuted["bill.completion_tokens"]["bill_line"] == 3
    assert refuted["bill.duplicate"]["bill_line"] == 5 and refuted["bill.phantom"]["bill_line"] == 6
    assert "bill.missing" not in refuted
    assert sum(report["counts"].values()) == len(report["checks"])
    # The same files, the same bytes.
    assert out == run("verify", path, "--bill", made, "--format", "json", env={"LC_ALL": "C", "TZ": "Asia/Tokyo"})[1]


def test_verify_lists_confirmed_statements_only_when_asked(directory):
    path = billed_recording(directory)
    assert "as many as the recorded steps put out" not in run("verify", path)[1]
    assert "as many as the recorded steps put out" in run("verify", path, "-v")[1]


def test_a_wider_bill_window_leaves_unknown_ids_open(directory):
    args = ("verify", billed_recording(directory), "--bill", bill(directory, *HONEST, "cmpl-9,small,1,0,1"))
    assert run(*args)[0] == 1
    assert run(*args, "--bill-window", "2020-01-01..2090-01-01")[0] == 3
    for wrong in ("yesterday", "2026-01-01", "2026-02-01..2026-01-01"):
        fails(2, *args, "--bill-window", wrong, says=["--bill-window", wrong])


class Page(html.parser.HTMLParser):
    """Elements that are opened are closed, in order; texts by element; which attributes there are."""
    VOID = {"meta", "br", "input"}

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.texts, self.names, self.attributes, self.wrong = [], [], [], set(), []
        self.feed(text)
        self.close()
        assert not self.wrong and not self.open, (self.wrong, self.open)

    def handle_starttag(self, tag, attrs):
        self.names.append((tag, dict(attrs)))
        self.attributes |= {name for name, _value in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append((tag, self.getpos()))

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def text(self):
        return " ".join(data for tag, data in self.texts if tag not in ("script", "style"))


def test_verify_in_html_is_one_file_in_which_a_bill_stays_text(directory):
    path = billed_recording(directory)
    evil = '<script>alert("x")</script>'
    made = bill(directory, *HONEST[:2], "cmpl-3,small,10,0,7", '"' + evil.replace('"', '""') + '",small,1,0,1', name="it's a bill.csv")
    args = ("verify", path, "--format", "html", "--bill", made)
    code, out, err = run(*args)
    assert (code, err) == (1, ""), (code, err)
    page = Page(out)
    assert evil in page.text() and evil not in out
    assert [name for name, _ in page.names].count("script") == 1
    assert not page.attributes & {"src", "style", "onclick", "onerror", "onload"}, page.attributes
    assert {attrs["href"][0] for name, attrs in page.names if name == "a"} == {"#"}
    assert "http" not in out.replace("http-equiv", "")
    # Every statement of the JSON is in a row of the page.
    report = json.loads(run("verify", path, "--format", "json", "--bill", made)[1])
    rows = [attrs["data-verdict"] for name, attrs in page.names if name == "tbody" and "data-verdict" in attrs]
    assert sorted(rows) == sorted(c["verdict"] for c in report["checks"])
    for words in ("2 more billed than put out", report["recording"]["id"], "line 4 of the bill", "request 3", "self_reported"):
        assert words in page.text(), words
    # What another needs to repeat it: digests, and the command as a shell reads it.
    for name, role in ((path, "recording"), (made, "bill")):
        with open(name, "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        assert digest in page.text(), name
        assert {"file": role, "sha256": digest, "reason": None} in report["made_of"], report["made_of"]
    command = next(data for tag, data in page.texts if tag == "pre")
    assert shlex.split(command) == ["tokprof", *args], command
    assert out == run(*args, env={"LC_ALL": "C", "TZ": "Asia/Tokyo"})[1]


def test_verify_in_html_without_a_recording_says_that_nothing_was_measured(directory):
    claims = os.path.join(directory, "ttft.yaml")
    with open(claims, "w", encoding="utf-8") as f:
        f.write("claims:\n  - metric: ttft\n    statistic: p99\n    at_most: 2 s\n")
    code, out, err = run("verify", "--claims", claims, "--format", "html")
    assert code in (0, 3) and err == "", (code, err)
    assert "nothing was measured" in Page(out).text()


DIMENSIONS = ["tokens_per_second", "ttft", "latency", "throughput", "stability", "reliability", "cost_efficiency", "energy", "security",
              "interoperability"]


def test_a_scorecard_stands_beside_the_verdict_and_does_not_change_it(directory):
    path = billed_recording(directory)
    code, out, err = run("verify", path, "--scorecard", "--format", "json")
    assert (code, err) == (0, ""), (code, err)
    card = json.loads(out)["scorecard"]
    assert [part["id"] for part in card["dimensions"]] == DIMENSIONS
    for part in card["dimensions"] + [card["aiperf"], card["mlperf"]]:
        for figure in part["figures"]:
            assert figure["grade"] in GRADES and (figure["reason"] is None) == (figure["grade"] != "unavailable"), figure
            assert figure["value"] is None or figure["reason"] is None, figure
    figures = {figure["id"]: figure for part in card["dimensions"] for figure in part["figures"]}
    assert figures["success_rate"]["value"] == "1.0000" and figures["succeeded"]["value"] == 3, figures
    assert figures["e2e.p50"]["value"] == 12000000, figures["e2e.p50"]
    assert figures["energy_per_token"]["value"] is None and figures["energy_per_token"]["reason"], figures
    assert {figure["group"]: figure for figure in card["aiperf"]["figures"]}["total_osl"]["value"] == 15
    assert "scorecard" not in json.loads(run("verify", path, "--format", "json")[1])
    text = run("verify", path, "--scorecard")[1]
    for words in ("Time to first token", "Completed tokens per second", "time_to_first_token", "Intervals are of 95 %"):
        assert words in text, words
    assert "Completed tokens per second" in Page(run("verify", path, "--scorecard", "--format", "html")[1]).text()


def test_scorecards_of_several_recordings_stand_side_by_side(directory):
    path, other = billed_recording(directory), os.path.join(directory, "<b>later.tokprof")
    shutil.copy(path, other)
    with sqlite3.connect(other) as db:
        db.execute("update request set end_ns = end_ns + 12000000, last_token_ns = last_token_ns + 12000000")
        db.execute("update recording set value = 'another machine' where key = 'host'")
    db.close()
    args = ("verify", "--scorecard", path, other)
    code, out, err = run(*args, "--format", "json")
    assert (code, err) == (0, ""), (code, err)
    report = json.loads(out)
    assert report["schema"] == "tokprof.scorecard/1" and len(report["recordings"]) == 2 and "verdict" not in report
    assert report["differing_conditions"] == ["host"]
    change = next(c for c in report["changes"] if c["part"] == "latency" and c["id"] == "e2e.p50")
    assert (change["change"], change["percent"]) == (12000000, "100.00"), change
    code, out, err = run(*args)
    assert code == 0 and "+100.00 %" in out and "another machine" in out, out
    code, out, err = run(*args, "--format", "html")
    page = Page(out)
    assert code == 0 and "+100.00 %" in page.text() and "<b>later.tokprof" in page.text() and "<b>later" not in out
    assert shlex.split(next(data for tag, data in page.texts if tag == "pre")) == ["tokprof", *args, "--format", "html"]


def test_a_bill_that_is_a_pipe_has_no_digest(directory):
    done = subprocess.run(["bash", "-c", 'exec "$0" verify "$1" --format html --bill <(cat "$2")', TOKPROF, billed_recording(directory),
                           bill(directory, *HONEST)], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done
    assert "no regular file" in Page(done.stdout.decode()).text()


def test_verify_without_what_it_needs_is_2(directory):
    fails(2, "verify", says=["Neither a recording nor --claims"])
    fails(2, "verify", "a", "b", says=["one recording at a time"])
    fails(2, "verify", "--bill", "x", says=["no file was named"])
    fails(2, "verify", "--scorecard", "--claims", "x", says=["no file was named"])
    fails(2, "verify", "--scorecard", "a", "b", "--bill", "x", says=["against one recording"])
    fails(2, "verify", "--scorecard", *"abcdefghijkl", says=["l: at most 11"])
    fails(2, "verify", "--scorecard", os.path.join(directory, "none"), os.path.join(directory, "none"), says=["none"])
    fails(2, "verify", "x", "--format", "pdf", says=["text, json, html"])
    fails(2, "verify", "x", "--bill-window", "2026-01-01..2026-02-01", says=["--bill"])
    path = billed_recording(directory)
    fails(2, "verify", path, "--bill", os.path.join(directory, "none.csv"), says=["none.csv"])
    fails(2, "verify", path, "--bill", bill(directory, "cmpl-1,small,10,0,abc", name="bad.csv"), says=["bad.csv:2", "abc"])
    fails(2, "verify", path, "--claims", os.path.join(directory, "none.yaml"), says=["none.yaml"])
    times = "model,completion_tokens,time,time_end"
    fails(2, "verify", path, "--bill",
          bill(directory, "small,1,2026-01-01T00:00:00Z,2026-01-01T02:00:00Z", "small,1,2026-01-01T01:00:00Z,2026-01-01T03:00:00Z",
               head=times, name="overlap.csv"), says=["overlap.csv:3", "overlaps that of line 2"])


def on_a_terminal(*args, env=None):
    """Run tokprof with standard output on a terminal. Returns what it shows there."""
    leader, follower = pty.openpty()
    shown = b""
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    with subprocess.Popen([TOKPROF, *args], stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
                          env={**clean, "TERM": "xterm", **(env or {})}) as child:
        os.close(follower)
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:     # EIO: the other end is closed
                break
            if not part:
                break
            shown += part
        child.wait()
    os.close(leader)
    return shown


def test_colour_is_for_terminals_and_no_color_is_honoured(_):
    assert b"\033[" in on_a_terminal("doctor")
    assert b"\033[" not in on_a_terminal("doctor", env={"NO_COLOR": "1"})
    assert b"\033[" in on_a_terminal("doctor", env={"NO_COLOR": ""})
    assert b"\033[" not in on_a_terminal("doctor", env={"TERM": "dumb"})
    assert "\033[" not in run("doctor")[1]
    assert b"\033[" in on_a_terminal("zzzz")


def main():
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    wanted = sys.argv[1:]
    n_passed = n_failed = n_skipped = 0

    if not os.access(TOKPROF, os.X_OK):
        print(f"{TOKPROF} is not built", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    with tempfile.TemporaryDirectory(prefix="tokprof-cli-") as directory:
        for name, test in tests:
            if wanted and not any(word in name for word in wanted):
                continue
            try:
                test(directory)
                n_passed += 1
                print(f"ok    {name[5:]}")
            except Skip as why:
                n_skipped += 1
                print(f"skip  {name[5:]}: {why}")
            except Exception:  # noqa: BLE001: a test may fail in any way
                n_failed += 1
                print(f"FAIL  {name[5:]}")
                traceback.print_exc(file=sys.stdout)
    print(f"{n_passed} passed, {n_failed} failed" + (f", {n_skipped} skipped" if n_skipped else ""))
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
