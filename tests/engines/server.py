#!/usr/bin/env python3
"""Runs the llama.cpp HTTP server of one pinned xllamacpp wheel, in the
foreground and in this very process.

    server.py --version 2026.10.11549 --model build/models/small-f16.gguf

When /health answers, one line goes to stdout: {"pid": ..., "port": ...},
the port being a path where --host names a unix socket (PATH.sock).
Everything the server prints goes to stderr. SIGTERM or SIGINT ends it.
"""
import argparse
import json
import os
import signal
import sys
import threading
import time

import client
import server_options
import venvs

HEALTH_TIMEOUT_S = 60
# The engine's compute threads meet at barriers, a hundred per token, and spin
# there. When anything else wants a core, libgomp's default (millions of turns)
# burns a whole time slice per barrier and a token can take a second.
GOMP_SPINCOUNT = "1000"


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Runs one pinned llama.cpp server in the foreground.")
    parser.add_argument("--version", required=True, help=", ".join(venvs.versions()))
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--host", default=client.HOST, help="address, or PATH.sock")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--ctx", type=int, default=4096, help="of all slots together")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--threads-batch", type=int, help="default: as --threads")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--ubatch", type=int)
    parser.add_argument("--cache-ram", type=int, default=0,
                        help="MiB for prompts of idle slots; 0: off")
    parser.add_argument("--cache-type-k", type=int, metavar="N",
                        help="ggml's number of the format of keys; 1: F16, 8: Q8_0")
    parser.add_argument("--cache-reuse", type=int, help="minimum chunk to reuse by shifting")
    parser.add_argument("--slot-save-path", metavar="FOLDER/",
                        help="allows POST /slots/N?action=save, restore and erase")
    parser.add_argument("--ctx-shift", action="store_true", default=None)
    parser.add_argument("--embeddings", action="store_true", default=None)
    parser.add_argument("--draft", metavar="PATH", help="draft model for speculation")
    parser.add_argument("--draft-max", type=int)
    parser.add_argument("--draft-min", type=int)
    parser.add_argument("--draft-p-min", type=float)
    parser.add_argument("--spec-ngram", action="store_true",
                        help="speculate from repetition in the text")
    parser.add_argument("--ngram-size", type=int, help="tokens to look up")
    parser.add_argument("--ngram-draft", type=int, help="tokens to draft after a match")
    parser.add_argument("--no-mmap", action="store_true", help="read the weights into memory of its own")
    parser.add_argument("--api-key", help="that clients must send")
    parser.add_argument("--verbose", action="store_true", help="let the server log")
    parser.add_argument("--end-with-stdin", action="store_true",
                        help="also end when stdin closes, so a dead parent leaves no server")
    return parser.parse_args()


def common_params(module, args):
    params = module.CommonParams()
    for names, value in server_options.ALWAYS.items():
        server_options.set_first(params, names, value)
    server_options.set_host(params, args.host)
    values = vars(args)
    values["threads_batch"] = args.threads_batch or args.threads
    for option, names in server_options.PARAMS.items():
        if values[option] is not None:
            server_options.set_first(params, names, values[option])
    if args.draft:
        server_options.set_speculation(params, module, "draft")
    elif args.spec_ngram:
        server_options.set_speculation(params, module, "ngram")
    if args.embeddings:
        # /v1/embeddings refuses to answer without a pooling type.
        params.pooling_type = module.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    if args.no_mmap:
        server_options.set_no_mmap(params, module)
    if args.api_key:
        params.api_keys = [args.api_key]
    if args.verbose:
        params.verbosity = 4
    return params


def wait_until_healthy(port):
    deadline = time.monotonic() + HEALTH_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            if client.get(port, "/health").status == 200:
                return True
        except OSError:
            pass  # not listening yet
        time.sleep(0.02)
    return False


def terminate_at_end_of_stdin():
    def wait():
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=wait, daemon=True).start()


def main():
    args = parse_arguments()
    os.environ.setdefault("GOMP_SPINCOUNT", GOMP_SPINCOUNT)
    venvs.enter(args.version)
    import xllamacpp  # only this version's environment has it

    # Blocked before any thread exists, so that all threads inherit the mask
    # and sigwait() below is the only place where these signals arrive.
    end_signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, end_signals)
    # The library prints to stdout too; keep that for our one line.
    announce = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    try:
        server = xllamacpp.Server(common_params(xllamacpp, args))
    except RuntimeError as error:  # the reason is on stderr already
        sys.exit(f"server.py: {args.version} refuses {args.model}: {error}")
    port = args.host
    if not port.endswith(".sock"):
        port = int(server.listening_address.rsplit(":", 1)[1])
    if not wait_until_healthy(port):
        sys.exit(f"server.py: /health silent for {HEALTH_TIMEOUT_S} s")
    if args.end_with_stdin:
        terminate_at_end_of_stdin()
    print(json.dumps({"pid": os.getpid(), "port": port}), file=announce, flush=True)
    announce.close()

    signal.sigwait(end_signals)
    # Not by way of the server's destructor: in the newer versions it waits for
    # clients that are still connected, forever if they stay.
    os._exit(0)


if __name__ == "__main__":
    main()
