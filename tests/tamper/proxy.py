"""A reverse proxy before a server, as a dishonest vendor's gateway: what it changes on the way, its clients are billed for.

    with proxy.start(server.port, proxy.one_token_more, rng) as gateway:
        client.chat(gateway.port, "words")
    gateway.tampered            # ids of the answers that it touched

Answers are passed on whole, a stream's events all at once.
"""
import contextlib
import json
import socket
import threading

import client

STREAM = "text/event-stream"


class Gateway:
    def __init__(self, upstream, tamper, rng):
        self.upstream = upstream
        self.tamper = tamper
        self.rng = rng
        self.tampered = set()
        self.kept = {}                 # (prompt, whether a stream) -> documents of the answer, for a cache of answers
        self.lock = threading.Lock()
        self.listener = socket.create_server((client.HOST, 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def forward(self, path, body):
        """(status, documents) of the server's own answer."""
        reply = client.post(self.upstream, path, body)
        return reply.status, reply.documents

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                connected, _ = self.listener.accept()
            except OSError:      # closed
                return
            thread = threading.Thread(target=self._serve, args=(connected,))
            self.threads.append(thread)
            thread.start()

    def _serve(self, connected):
        with connected, contextlib.suppress(ConnectionError), connected.makefile("rb") as lines:
            request_line = lines.readline().decode()
            headers = {}
            while (line := lines.readline().decode().strip()):
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = lines.read(int(headers.get("content-length", 0)))
            status, documents = self.tamper(self, request_line.split()[1], body)
            connected.sendall(answer(status, documents, json.loads(body).get("stream")))


def answer(status, documents, stream):
    if stream and status == 200:
        text = "".join(f"data: {json.dumps(d)}\n\n" for d in documents) + "data: [DONE]\n\n"
    else:
        text = json.dumps(documents[0])
    data = text.encode()
    head = (f"HTTP/1.1 {status} OK\r\nContent-Type: {STREAM if stream else 'application/json'}\r\n"
            f"Content-Length: {len(data)}\r\n\r\n")
    return head.encode() + data


@contextlib.contextmanager
def start(upstream, tamper, rng):
    gateway = Gateway(upstream, tamper, rng)
    try:
        yield gateway
    finally:
        gateway.close()


def with_usage(gateway, path, body, change):
    """Half of the answers, with another usage. `change` returns whether it changed it."""
    status, documents = gateway.forward(path, body)
    with gateway.lock:
        chosen = gateway.rng.random() < 0.5
    for document in documents:
        if chosen and document.get("usage") and change(document["usage"]):
            gateway.tampered.add(document["id"])
    return status, documents


# ----------------------------------------------------------------------------------------------------------- what it does ---

def nothing(gateway, path, body):
    return gateway.forward(path, body)


def one_token_more(gateway, path, body):
    def change(usage):
        usage["completion_tokens"] += 1
        return True
    return with_usage(gateway, path, body, change)


def twice_as_many(gateway, path, body):
    def change(usage):
        usage["completion_tokens"] *= 2
        return True
    return with_usage(gateway, path, body, change)


def cached_as_computed(gateway, path, body):
    def change(usage):
        details = usage.get("prompt_tokens_details") or {}
        changed = details.get("cached_tokens", 0) > 0
        usage["prompt_tokens_details"] = {"cached_tokens": 0}
        return changed
    return with_usage(gateway, path, body, change)


def hidden_tokens(gateway, path, body):
    def change(usage):
        extra = gateway.rng.randint(1, 50)
        usage["completion_tokens"] += extra
        usage["completion_tokens_details"] = {"reasoning_tokens": extra}
        return True
    return with_usage(gateway, path, body, change)


def cache_of_answers(gateway, path, body):
    """What was asked before is answered as before, under a new id and with a usage as if it had been computed."""
    asked = json.loads(body)
    key = asked["prompt"], asked.get("stream")
    with gateway.lock:
        documents = gateway.kept.get(key)
        again = f"chatcmpl-again{len(gateway.tampered):024d}"
    if documents is None:
        status, documents = gateway.forward(path, body)
        with gateway.lock:
            gateway.kept[key] = documents
        return status, documents
    with gateway.lock:
        gateway.tampered.add(again)
    return 200, [{**document, "id": again} for document in documents]


def another_model(gateway, path, body):
    """The answers say that they come from a larger model than the one that gave them."""
    status, documents = gateway.forward(path, body)
    documents = [{**document, "model": "tokprof-large-f16"} for document in documents]
    gateway.tampered.update(document["id"] for document in documents)
    return status, documents


MAIN = (one_token_more, cached_as_computed, cache_of_answers, another_model)
TAMPERINGS = (*MAIN, twice_as_many, hidden_tokens)
