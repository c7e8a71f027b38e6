"""The real server with forge.c preloaded: on a second port it answers from nowhere and shows batches that are never computed.

    with forge.start(version, model) as forged:
        client.v1_completion(forged.forged_port, "words", max_tokens=40, stream=True)
"""
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "engines"))

import engine  # noqa: E402
import venvs  # noqa: E402

# Of this version the library knows how an ubatch lies in memory.
VERSION = "2026.10.11549"
STEP = "_ZN13llama_context6decodeERK15llama_batch_ext"
UBATCH = "_ZN13llama_context14process_ubatchERK12llama_ubatch14llm_graph_typeP22llama_memory_context_iR11ggml_status"
REMOVE = "llama_memory_seq_rm"
PORT_TIMEOUT_S = 30


def build():
    library = ROOT / "build" / "tamper" / "forge.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(library),
                    str(HERE / "forge.c"), "-lpthread"], check=True)
    return library


def way_out(function):
    """
    (address, size) of a jump to the way out of a function that returns %r12d, where its value is whatever that holds, and of the
    stack from there to the return address: where a step that succeeded comes along, and a probe may stand.
    """
    code = [re.match(r"^\s*([0-9a-f]+):\s+(\S+)\s*([^<#]*)", line) for line in function.splitlines()]
    code = [(m.group(1), m.group(2), m.group(3).strip()) for m in code if m]
    ret = next(i for i, (_, name, _) in enumerate(code) if name == "ret")
    first = max(i for i in range(ret) if code[i][1] == "add" and code[i][2].endswith(",%rsp"))
    assert any(code[i][1:] == ("mov", "%r12d,%eax") for i in range(first, ret)), "another way out than this forger knows"
    size = int(code[first][2].split(",")[0][1:], 16) + 8 * sum(code[i][1] == "pop" for i in range(first, ret))
    targets = {operand for _, name, operand in code if name.startswith("j")}
    for i, (address, name, operand) in enumerate(code):
        if name != "jmp" or operand != code[first][0]:
            continue
        k = i
        while code[k][0] not in targets and not re.fullmatch(r"\$0x[0-9a-f]+,%r12d", code[k][2]):
            k -= 1
        if code[k][0] in targets:
            return address, size
    raise AssertionError("every way out of the step returns a constant")


def offsets():
    """Of the step, of a way out of it with the size of its stack there, of the ubatch's function and of seq_rm."""
    found = next((venvs.BUILD / "venv" / VERSION).glob("lib/*/site-packages/xllamacpp/xllamacpp.abi3.so"))
    symbols = dict(reversed(line.split()[::2]) for line in
                   subprocess.run(["nm", "--defined-only", str(found)], capture_output=True, text=True,
                                  check=True).stdout.splitlines())
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--disassemble={STEP}", str(found)],
                          capture_output=True, text=True, check=True).stdout
    out, size = way_out(code)
    return " ".join([symbols[STEP], out, f"{size:x}", symbols[UBATCH], symbols[REMOVE]])


@contextlib.contextmanager
def start(model, **options):
    with tempfile.TemporaryDirectory() as folder:
        port_file = pathlib.Path(folder) / "port"
        added = {"LD_PRELOAD": str(build()), "FORGE_OFFSETS": offsets(), "FORGE_PORT_FILE": str(port_file)}
        os.environ.update(added)
        try:
            server = engine.start(VERSION, model, **options)
        finally:
            for name in added:
                del os.environ[name]
        with server:
            deadline = time.monotonic() + PORT_TIMEOUT_S
            while not (port_file.exists() and port_file.read_text().strip()):
                if time.monotonic() > deadline:
                    raise RuntimeError("the preloaded library did not begin to listen")
                time.sleep(0.02)
            server.forged_port = int(port_file.read_text())
            yield server
