#!/usr/bin/env python3
"""What goes wrong in the field, done on purpose: each fault has its message and exit code, the server is never harmed, and
nothing recorded is lost.

    faults.py [--all] [--only PART] [--version V]

Ends with 'N passed, N failed'.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "engines"))

import client  # noqa: E402
import engine  # noqa: E402
import law  # noqa: E402
import meter  # noqa: E402
from traits import TRAITS  # noqa: E402

NOBODY = 65534
FOREMOST = -20          # nice
ALL = []


class Skipped(Exception):
    """The host does not allow what the test is about; says why."""


def fault(function):
    ALL.append(function)
    return function


def expect(what, actual, expected):
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r}, expected {expected!r}")


def expect_words(words, *parts):
    for part in parts:
        if part not in words:
            raise AssertionError(f"'{part}' is missing in: {words}")


@contextlib.contextmanager
def before_others():
    """Processes that are started meanwhile get the CPU before those of other people: what is to be measured needs a quiet host, or this."""
    prefer(FOREMOST)
    try:
        yield
    finally:
        prefer(0)


def prefer(nice):
    """Where the kernel shares the CPU by sessions first (sched(7), autogroup), ours; and in it this thread and what it starts. In some
    containers neither may be: then the host has to be quiet."""
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/autogroup").write_text(str(nice), encoding="ascii")
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, nice)


@contextlib.contextmanager
def load(port, streams=2):
    """Clients that stream without end beside the test; how many streams ended whole."""
    stop = threading.Event()
    ended = []

    def ask():
        while not stop.is_set():
            reply = client.completion(port, "Load on the server", n_predict=64, stream=True, cache_prompt=False)
            ended.append(len(reply.token_ids))

    threads = [threading.Thread(target=ask) for _ in range(streams)]
    for thread in threads:
        thread.start()
    try:
        yield ended
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def bpf_objects():
    """Numbers of all BPF links, programs and maps on this host."""
    tool = shutil.which("bpftool") or "/usr/sbin/bpftool"
    found = set()
    for kind in ("link", "prog", "map"):
        # What another program frees while the list is made can end it with an error.
        for _ in range(20):
            listing = subprocess.run([tool, "-j", kind, "list"], capture_output=True, text=True)
            if listing.returncode == 0:
                break
            time.sleep(0.05)
        else:
            raise AssertionError(f"bpftool {kind} list: exit status {listing.returncode}: {listing.stdout}{listing.stderr}")
        found |= {(kind, item["id"]) for item in json.loads(listing.stdout or "[]")}
    return found


def wait_for_objects(expected, timeout_s=10):
    """The kernel frees BPF objects a grace period after their last user has gone."""
    deadline = time.monotonic() + timeout_s
    while bpf_objects() - expected:
        if time.monotonic() > deadline:
            raise AssertionError(f"left behind: {sorted(bpf_objects() - expected)}")
        time.sleep(0.1)


def reference_text(port):
    return client.completion(port, "The same words before and after", n_predict=32, cache_prompt=False).token_ids


@fault
def kill_9_at_random_moments_harms_nothing(s):
    before, text = bpf_objects(), reference_text(s.port)
    rng = random.Random(3)
    with load(s.port):
        for _ in range(50 if s.all else 6):
            recording = meter.record(s.server.pid)
            time.sleep(rng.uniform(0, 1.5))
            recording.kill()
            report = recording.read()
            expect("complete", report["recording"]["complete"], False)
            law.check(report)
    expect("what the server says afterwards", reference_text(s.port), text)
    wait_for_objects(before)


@fault
def kill_9_while_attaching_leaves_nothing(s):
    before = bpf_objects()
    rng = random.Random(4)
    with load(s.port), tempfile.TemporaryDirectory() as folder:
        for i in range(50 if s.all else 6):
            process = subprocess.Popen([str(meter.TOKPROF), "record", "-p", str(s.server.pid), "-o", f"{folder}/{i}"],
                                       stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0, 0.8))
            process.kill()
            process.wait()
    wait_for_objects(before)
    expect("the server answers", client.get(s.port, "/health").status, 200)


@fault
def attach_and_detach_under_load(s):
    text = reference_text(s.port)
    with load(s.port) as ended:
        for _ in range(200 if s.all else 10):
            with meter.record(s.server.pid, "-d", "0.05") as recording:
                expect("exit status", recording.wait(), 0)
    if not ended or set(ended) != {64}:
        raise AssertionError(f"streams of {set(ended)} tokens, all should have 64")
    expect("what the server says afterwards", reference_text(s.port), text)


@fault
def a_ring_buffer_too_small_counts_losses_and_marks_requests(s):
    with meter.record(s.server.pid, "--ring-kib", "4") as recording:
        with load(s.port, streams=4) as ended:
            # A recorder that is kept from the CPU: nobody empties the ring meanwhile.
            recording.process.send_signal(signal.SIGSTOP)
            n_before = len(ended)
            deadline = time.monotonic() + 30
            while len(ended) < n_before + 4 and time.monotonic() < deadline:
                time.sleep(0.02)
            recording.process.send_signal(signal.SIGCONT)
    report = recording.report
    if sum(report["recording"]["losses"].values()) == 0:
        raise AssertionError("nothing was lost in a ring of 4 KiB")
    hit = [r for r in meter.token_requests(report) if not r["complete"]]
    if not hit:
        raise AssertionError("no request is marked incomplete")
    law.check(report)


@fault
def attach_in_mid_generation(s):
    with client.Connection(s.port) as connection:
        sent_ns = connection.send(client.request_bytes("/completion", {
            "prompt": "Begun before the meter came", "n_predict": 600, "temperature": 0, "stream": True}))
        client.wait_busy(s.port)
        with meter.record(s.server.pid) as recording:
            reply = connection.read_reply(sent_ns)
            client.wait_idle(s.port)
    expect("tokens arrived", reply.native["tokens_predicted"], 600)
    found = [r for r in meter.token_requests(recording.report) if "before_attach" in " ".join(
        r.get("incomplete_reasons", [])).replace(" ", "_")]
    if not found:
        raise AssertionError(f"no request from before the attach: {recording.report['requests']}")
    expect("complete", found[0]["complete"], False)
    law.check(recording.report)


@fault
def two_servers_one_recorded(s):
    with engine.start(s.version, "tiny-f16") as other:
        with meter.record(s.server.pid) as recording:
            client.completion(other.port, "Not for the record", n_predict=8)
            client.completion(s.port, "For the record", n_predict=5)
    requests = meter.token_requests(recording.report)
    expect("requests", len(requests), 1)
    expect("tokens", requests[0]["computed"]["completion_tokens"], 5)
    expect("processes", recording.report["server"]["pids"], [s.server.pid])
    law.check(recording.report)


@fault
def the_server_is_killed_while_recording(s):
    with engine.start(s.version, "tiny-f16") as victim:
        recording = meter.record(victim.pid)
        with client.Connection(victim.port) as connection:
            connection.send(client.request_bytes("/completion", {"prompt": "Last words", "n_predict": 3000,
                                                                 "stream": True}))
            connection.socket.recv(1)
            victim.process.kill()
            expect("exit status", recording.wait(), 0)
    report = recording.read()
    expect("recording complete", report["recording"]["complete"], True)
    expect("request complete", meter.token_requests(report)[0]["complete"], False)
    law.check(report)


@fault
def a_server_that_forks(s):
    normal, engine.SERVER = engine.SERVER, HERE / "forking_server.py"
    try:
        with engine.start(s.version, "tiny-f16") as server, meter.record(server.pid) as recording:
            for i in range(4):
                reply = client.completion(server.port, f"{i} while it forks", n_predict=60)
                time.sleep(0.3)
            expect("tokens", reply.native["tokens_predicted"], 60)
    finally:
        engine.SERVER = normal
    report = recording.report
    expect("tokens", [r["computed"]["completion_tokens"] for r in meter.token_requests(report)], [60] * 4)
    if len(report["server"]["pids"]) < 2:
        raise AssertionError(f"no child was recorded: {report['server']['pids']}")
    law.check(report)


@fault
def a_function_that_throws_through_its_probe_goes_on(s):
    del s
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "thrower"
        subprocess.run(["g++", "-O1", "-g", "-rdynamic", "-o", program, HERE / "thrower.cpp"], check=True)
        process = subprocess.Popen([program, "1000"], stdout=subprocess.PIPE, text=True)
        recording = meter.record(process.pid)
        out, _ = process.communicate(timeout=60)
        expect("exit status of the program", process.returncode, 0)
        expect("exceptions caught", out, "500 caught\n")
        expect("exit status", recording.wait(), 0)
        report = recording.read("--by", "step")
    steps = report["steps"]
    returned = [x for x in steps if x["ret"] == 0 and not x.get("no_return")]
    if len(returned) < 100:
        raise AssertionError(f"only {len(returned)} steps that returned")


@fault
def without_root(s):
    status, _, words = meter.run("record", "-p", s.server.pid, "-o", "/dev/null", user=NOBODY, group=NOBODY)
    expect("exit status", status, 4)
    expect_words(words, "root")


@fault
def no_such_process(s):
    del s
    status, _, words = meter.run("record", "-p", 2 ** 22 - 1, "-o", "/nonexistent/x")
    expect("exit status", status, 5)
    expect_words(words, "no process")


@fault
def a_process_that_is_no_server(s):
    del s
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        status, _, words = meter.run("record", "-p", sleeper.pid, "-o", "/nonexistent/x")
    finally:
        sleeper.kill()
        sleeper.wait()
    expect("exit status", status, 5)
    expect_words(words, "no server")


@fault
def usage_is_checked_first_then_privilege_then_the_target_then_the_output(s):
    gone, nowhere, nobody = 2 ** 22 - 1, "/nonexistent/x", {"user": NOBODY, "group": NOBODY}
    expect("wrong usage of nobody", meter.run("record", "-p", "x", "-o", nowhere, **nobody)[0], 2)
    expect("no target of nobody", meter.run("record", "-o", nowhere, **nobody)[0], 2)
    expect("nobody, no process, no folder", meter.run("record", "-p", gone, "-o", nowhere, **nobody)[0], 4)
    expect("nobody, a server", meter.run("record", "-p", s.server.pid, "-o", nowhere, **nobody)[0], 4)
    expect("root, no process, no folder", meter.run("record", "-p", gone, "-o", nowhere)[0], 5)
    expect("root, a server, no folder", meter.run("record", "-p", s.server.pid, "-o", nowhere)[0], 2)


@fault
def two_recorders_on_one_server_tell_the_same(s):
    before = bpf_objects()
    with meter.record(s.server.pid) as first:
        client.completion(s.port, "Only the first one sees this", n_predict=3)
        with meter.record(s.server.pid) as second:
            client.completion(s.port, "Both of them see this", n_predict=9, cache_prompt=False)
            client.wait_idle(s.port)
        client.completion(s.port, "The first one goes on", n_predict=4)
        client.wait_idle(s.port)
    computed = [[r["computed"] for r in meter.token_requests(x.report)] for x in (first, second)]
    expect("tokens", [[c["completion_tokens"] for c in each] for each in computed], [[3, 9, 4], [9]])
    expect("the request that both saw", computed[0][1], computed[1][0])
    for recording in (first, second):
        law.check(recording.report)
    wait_for_objects(before)


@fault
def a_report_of_a_recording_that_is_being_made(s):
    with meter.record(s.server.pid) as recording:
        client.completion(s.port, "Read while it is written", n_predict=6)
        client.wait_idle(s.port)
        deadline = time.monotonic() + 5
        while not meter.token_requests(recording.read()):      # a commit every half second
            if time.monotonic() > deadline:
                raise AssertionError("nothing was committed in 5 s")
            time.sleep(0.05)
        expect("complete", recording.report["recording"]["complete"], False)
        expect("tokens", meter.token_requests(recording.report)[0]["computed"]["completion_tokens"], 6)
        law.check(recording.report)
        client.completion(s.port, "And it goes on afterwards", n_predict=7)
        client.wait_idle(s.port)
    expect("complete", recording.report["recording"]["complete"], True)
    expect("tokens", [r["computed"]["completion_tokens"] for r in meter.token_requests(recording.report)], [6, 7])
    law.check(recording.report)


@fault
def an_option_that_does_not_exist(s):
    status, _, words = meter.run("record", "-p", s.server.pid, "--ouput", "x")
    expect("exit status", status, 2)
    expect_words(words, "--output")


@fault
def a_folder_that_cannot_be_written(s):
    status, _, words = meter.run("record", "-p", s.server.pid, "-o", "/nonexistent/run.tokprof")
    expect("exit status", status, 2)
    expect_words(words, "/nonexistent")


@fault
def a_file_that_exists_is_kept(s):
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"precious")
        file.flush()
        status, _, words = meter.run("record", "-p", s.server.pid, "-o", file.name)
        expect("exit status", status, 2)
        expect_words(words, file.name, "-f")
        expect("the file", pathlib.Path(file.name).read_bytes(), b"precious")


@fault
def a_full_disk_stops_the_recording_cleanly(s):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=True)
        try:
            recording = meter.record(s.server.pid, path=f"{folder}/run.tokprof")
            with load(s.port, streams=4):
                status = recording.wait()
            expect("exit status", status, 2)
            expect_words(recording.words, "run.tokprof")
            law.check(recording.read())
        finally:
            subprocess.run(["umount", folder], check=True)


@fault
def a_damaged_recording(s):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "run.tokprof"
        with meter.record(s.server.pid, path=path):
            client.completion(s.port, "Soon to be damaged", n_predict=4)
        data = path.read_bytes()
        path.write_bytes(data[:len(data) // 2])
        status, _, words = meter.run("report", path)
        expect("exit status", status, 2)
        expect_words(words, str(path))
        path.write_bytes(b"no recording at all" * 100)
        status, _, words = meter.run("report", path)
        expect("exit status", status, 2)


@fault
def an_engine_without_symbols_is_recorded_by_its_traffic(s):
    """A server that tokprof does not know: requests and CPU time, and no word of tokens computed."""
    del s
    server = subprocess.Popen([sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/")
    try:
        port = int(server.stdout.readline().split("port ")[1].split()[0])
        with meter.record(server.pid) as recording:
            client.get(port, "/etc/hostname")
    finally:
        server.kill()
        server.wait()
    requests = recording.report["requests"]
    expect("requests", [(r["method"] if "method" in r else "GET", r["path"], r["status"]) for r in requests],
           [("GET", "/etc/hostname", 200)])
    law.check(recording.report)


@fault
def what_a_black_box_bills_is_not_known_to_have_been_computed(s):
    del s
    server = subprocess.Popen([sys.executable, HERE / "black_box.py"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        with meter.record(server.pid) as recording:
            client.v1_completion(port, "What did it compute?", max_tokens=1000)
    finally:
        server.kill()
        server.wait()
    request = recording.report["requests"][0]
    expect("billed", request["billed"]["completion_tokens"], 1000)
    expect("computed", request["computed"]["completion_tokens"], None)
    expect("complete", (request["complete"], request["incomplete_reasons"]), (False, ["unwatched"]))
    law.check(recording.report)


@contextlib.contextmanager
def wrong_layout():
    """A profile that says of every layout that positions are where there is no pointer."""
    profile = (meter.ROOT / "collectors/engines/llama.cpp.profile").read_text()
    lines = ["pos = 8" if line.split("=")[0].strip() == "pos" else line for line in profile.splitlines()]
    with tempfile.NamedTemporaryFile("w", suffix=".profile") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        yield file.name


def rows_of(step):
    """What each sequence computed in a step, wherever its ubatches ended."""
    sums = {}
    for row in step["rows"]:
        first, n_tokens, n_outputs = sums.get(row["seq"], (row["first_pos"], 0, 0))
        sums[row["seq"]] = min(first, row["first_pos"]), n_tokens + row["n_tokens"], n_outputs + row["n_outputs"]
    return sums


def steps_after(path, time_ns):
    steps = meter.report(path, "--by", "step")["steps"]
    return [rows_of(step) for step in steps if step["start_ns"] > time_ns]


def until_rows_are_known(s, recording):
    """Where the batch is private its calls are probed after a first request whose rows stay unknown."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        client.completion(s.port, "Rows by other means", n_predict=2)
        client.wait_idle(s.port)
        time.sleep(0.7)     # a commit every half second
        if meter.token_requests(recording.read())[-1]["complete"]:
            return
    raise AssertionError(f"rows stay unknown: {recording.report['recording']['collectors']}")


@fault
def a_wrong_layout_falls_back_and_never_guesses(s):
    """Offsets that are wrong: rows by the batch, as the client knows them and as the right offsets tell them."""
    with wrong_layout() as profile, meter.record(s.server.pid) as right, \
            meter.record(s.server.pid, "--engine-profile", profile) as wrong:
        until_rows_are_known(s, wrong)
        begin_ns = time.monotonic_ns()
        replies = [client.completion(s.port, "A prompt of several ubatches " * 30, n_predict=3, cache_prompt=False),
                   client.completion(s.port, "The same twice", n_predict=5, stream=True),
                   client.completion(s.port, "The same twice", n_predict=5)]
        many = [threading.Thread(target=lambda i=i: replies.append(client.completion(
            s.port, f"{i} " * 20 * i, n_predict=4 + i, cache_prompt=False))) for i in range(1, 9)]
        for thread in many:
            thread.start()
        for thread in many:
            thread.join()
        client.v1_completion(s.port, "Two choices", n=2, max_tokens=6)
        client.wait_idle(s.port)
    truth = sorted((r.timings["prompt_n"], r.timings["predicted_n"]) for r in replies)
    told, same = ([r for r in meter.token_requests(x.report) if r["arrival_ns"] > begin_ns] for x in (wrong, right))
    expect("complete", {r["complete"] for r in told}, {True})
    expect("computed", [r["computed"] for r in told], [r["computed"] for r in same])
    expect("tokens", sorted((r["computed"]["prompt_tokens"], r["computed"]["completion_tokens"]) for r in told[:-1]),
           truth)
    expect("rows of all steps", steps_after(wrong.path, begin_ns), steps_after(right.path, begin_ns))
    first = meter.token_requests(wrong.report)[0]
    if not first["complete"]:
        expect("tokens of a request with unknown rows", first["computed"]["completion_tokens"], None)
    law.check(wrong.report)


@contextlib.contextmanager
def batcher(compute_us, sleep_us):
    """Runs batcher.cpp; ends it at the latest after a minute."""
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "batcher"
        subprocess.run(["g++", "-O1", "-g0", "-rdynamic", "-o", program, HERE / "batcher.cpp"], check=True)
        process = subprocess.Popen([program, *map(str, (60, compute_us, sleep_us))])
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()


def rows_by_tokens(report):
    """Of steps by their number of tokens: the kinds of rows that were told."""
    kinds = {}
    for step in report["steps"]:
        rows = tuple((row["seq"], row["first_pos"], row["n_tokens"], row["n_outputs"]) for row in step["rows"]
                     if row["seq"] is not None)
        kinds.setdefault(step["n_tokens"], []).append(rows)
    return kinds


@fault
def what_the_calls_on_a_batch_do_not_tell_stays_unknown(s):
    del s
    with batcher(0, 2000) as pid, meter.record(pid, "-d", "4") as recording:
        expect("exit status", recording.wait(), 0)
    kinds = rows_by_tokens(recording.read("--by", "step"))
    expect("numbers of tokens", sorted(kinds), [2, 3, 4, 5, 6])
    for n_tokens, rows in ((2, (7, 1000, 2, 1)), (6, (7, 0, 6, 0))):
        expect(f"rows of {n_tokens} tokens", set(kinds[n_tokens]), {(), (rows,)})
        if kinds[n_tokens].count((rows,)) < 100:
            raise AssertionError(f"only {kinds[n_tokens].count((rows,))} of {len(kinds[n_tokens])} are known")
    for n_tokens in (3, 4, 5):
        expect(f"rows of {n_tokens} tokens", set(kinds[n_tokens]), {()})


@fault
def calls_on_a_batch_that_cost_too_much_are_let_go(s):
    del s
    reason = ""
    with batcher(1000, 0) as pid, meter.record(pid) as recording:
        deadline = time.monotonic() + 40
        while "now rows are unknown" not in reason and time.monotonic() < deadline:
            time.sleep(1)
            collectors = recording.read()["recording"]["collectors"]
            reason = next(c["reason"] or "" for c in collectors if c["name"] == "engine")
        time.sleep(1)
    expect_words(reason, "more than 1 %", "now rows are unknown")
    report = recording.read("--by", "step")
    known = [rows != () for rows in rows_by_tokens(report)[2]]
    first, last = known.index(True), len(known) - known[::-1].index(True)
    expect("known, then no longer", (all(known[first:last]), any(known[last:])), (True, False))
    if len(known) - last < 20:
        raise AssertionError(f"of {len(known)} steps only the last {len(known) - last} were not watched")


class Session:
    def __init__(self, version, server, all_):
        self.version, self.server, self.all = version, server, all_
        self.port = server.port
        self.traits = TRAITS[version]


def main(tests):
    """Runs them on one server per version; returns the exit status."""
    assert os.geteuid() == 0, "these tests attach BPF programs: run them as root"
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", default="", metavar="PART")
    parser.add_argument("--version", choices=list(TRAITS))
    args = parser.parse_args()
    versions = [args.version] if args.version else list(TRAITS) if args.all else list(TRAITS)[-1:]
    passed = failed = skipped = 0
    titles = [f"{version} {test.__name__.replace('_', ' ')}" for version in versions for test in tests]
    n = sum(args.only in title for title in titles)
    # Who cuts this off by a time limit can see that it was not the end.
    print(f"{n} test{'s' if n != 1 else ''} on {len(versions)} version{'s' if len(versions) != 1 else ''}", flush=True)
    for version in versions:
        with engine.start(version, "small-f16") as server:
            session = Session(version, server, args.all)
            for test in tests:
                title = f"{version} {test.__name__.replace('_', ' ')}"
                if args.only not in title:
                    continue
                start = time.monotonic()
                try:
                    test(session)
                    passed += 1
                    print(f"ok    {title} ({time.monotonic() - start:.1f} s)", flush=True)
                except Skipped as why:
                    skipped += 1
                    print(f"skip  {title}: {why}", flush=True)
                except Exception as error:  # a dead server shows up as any kind
                    failed += 1
                    print(f"FAIL  {title}\n      {type(error).__name__}: {error}", flush=True)
                    if not isinstance(error, AssertionError):
                        traceback.print_exc()
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed + skipped else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main(ALL))
