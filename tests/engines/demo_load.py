#!/usr/bin/env python3
"""The demo's load: a mix of requests on a running server.

    demo_load.py PORT
"""
import sys
import threading

import client

TOPICS = ("electricity meters", "a long list of words " * 20, "the price of a token", "queues and their causes")


def stream(port, i):
    client.chat(port, f"{i}: tell me about {TOPICS[i % len(TOPICS)]}", max_tokens=24 + 8 * (i % 4), stream=True)


def wave(port, numbers):
    threads = [threading.Thread(target=stream, args=(port, i)) for i in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    port = int(sys.argv[1])
    wave(port, range(0, 8))      # eight at once on four slots: four of them wait
    for _ in range(2):           # the second time from the cache
        client.v1_completion(port, "The same prompt comes twice " * 8, max_tokens=32)
    client.v1_completion(port, "Two choices", max_tokens=16, n=2)
    client.leave(port, "/completion", {"prompt": "A client that leaves", "n_predict": 400}, after=12)
    client.post(port, "/completion", {"prompt": [999999]})   # refused: no such token
    for i in range(3):
        client.completion(port, f"{i}: one after the other", n_predict=20)
    wave(port, range(8, 16))
    client.wait_idle(port)


if __name__ == "__main__":
    main()
