"""A client that keeps the truth: what was sent, what came back, and when.

Raw sockets and the standard library only, so that a test decides every byte on
the wire and sees every byte that arrives. Times are CLOCK_MONOTONIC
nanoseconds, the clock of the eBPF side.

    reply = client.completion(port, "hello", n_predict=8, stream=True)
    reply.status, reply.token_ids, reply.usage, reply.timings, reply.ttft_ns
"""
import json
import socket
import time
from dataclasses import dataclass, field

HOST = "127.0.0.1"
TIMEOUT_S = 60
RECEIVE_BYTES = 65536

# Fields of the native /completion answer that tests compare.
NATIVE_FIELDS = ("tokens_evaluated", "tokens_predicted", "tokens_cached",
                 "id_slot", "truncated", "stop_type", "stopping_word")


@dataclass
class Event:
    """One server-sent event and the moment its last byte had arrived."""
    time_ns: int
    data: object     # parsed JSON, or the text "[DONE]"


@dataclass
class Reply:
    """One HTTP answer, as far as the client read it."""
    sent_ns: int
    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    first_byte_ns: int = 0
    end_ns: int = 0
    events: list = field(default_factory=list)
    complete: bool = False

    @property
    def documents(self):
        """The JSON objects of the answer: one, or one per event."""
        if self.events:
            return [e.data for e in self.events if isinstance(e.data, dict)]
        try:
            document = json.loads(self.body)
        except ValueError:
            return []
        return document if isinstance(document, list) else [document]

    def last(self, key):
        """The last value sent under this key, or None."""
        values = [d[key] for d in self.documents if d.get(key) is not None]
        return values[-1] if values else None

    @property
    def usage(self):
        return self.last("usage")

    @property
    def timings(self):
        return self.last("timings")

    @property
    def response_id(self):
        return self.last("id")

    @property
    def native(self):
        return {name: self.last(name) for name in NATIVE_FIELDS
                if self.last(name) is not None}

    @property
    def token_ids(self):
        """Native endpoint only, and only if return_tokens was asked for."""
        return [token for d in self.documents for token in d.get("tokens") or []]

    @property
    def text(self):
        """The text of choice 0."""
        return "".join(document_text(d) for d in self.documents)

    @property
    def choices(self):
        """index -> (text, finish reason), for n > 1."""
        found = {}
        for document in self.documents:
            for choice in document.get("choices") or []:
                index = choice["index"]
                text, reason = found.get(index, ("", None))
                found[index] = (text + choice_text(choice),
                                choice.get("finish_reason") or reason)
        return found

    @property
    def finish_reason(self):
        """OpenAI's word, or the native stop type."""
        choices = self.choices
        return choices[0][1] if 0 in choices else self.native.get("stop_type")

    @property
    def token_events(self):
        """Events that carry generated text; the first and last often do not."""
        return [e for e in self.events
                if isinstance(e.data, dict) and carries_tokens(e.data)]

    @property
    def error(self):
        error = self.last("error")
        return error.get("message") if isinstance(error, dict) else error

    @property
    def ttft_ns(self):
        """From the last byte of the request to the first token."""
        events = self.token_events
        return events[0].time_ns - self.sent_ns if events else None


def choice_text(choice):
    message = choice.get("delta") or choice.get("message") or choice
    return message.get("content") or message.get("text") or ""


def document_text(document):
    if "choices" in document:
        return "".join(choice_text(c) for c in document["choices"] if c["index"] == 0)
    return document.get("content") or ""


def carries_tokens(document):
    texts = [choice_text(c) for c in document.get("choices") or []]
    return any(texts) or bool(document.get("content")) or bool(document.get("tokens"))


def request_bytes(path, body=None, method=None, headers=()):
    """The bytes of one request. body: bytes are sent as they are, anything
    else as JSON."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method or ('GET' if body is None else 'POST')} {path} HTTP/1.1",
             f"Host: {HOST}", *headers]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines + ["", ""]).encode() + (body or b"")


def connect(port, timeout_s=TIMEOUT_S):
    """A socket to the server. port: a number on this host, or the path of a unix socket."""
    if isinstance(port, int):
        connected = socket.create_connection((HOST, port), timeout=timeout_s)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connected.settimeout(timeout_s)
    connected.connect(port)
    return connected


class Connection:
    """One connection; requests may follow each other or be pipelined."""

    def __init__(self, port, timeout_s=TIMEOUT_S):
        self.socket = connect(port, timeout_s)
        self.pending = b""       # received, not yet consumed
        self.received_ns = 0     # when the newest of it arrived

    def send(self, data):
        """Sends bytes and returns the time when the last one was handed over."""
        self.socket.sendall(data)
        return time.monotonic_ns()

    def request(self, path, body=None, **options):
        sent_ns = self.send(request_bytes(path, body, **options))
        return self.read_reply(sent_ns)

    def read_reply(self, sent_ns, leave_after=None):
        """Reads one answer. leave_after=k stops reading, in the middle of the
        stream, when k events have carried tokens; the caller then closes."""
        reply = Reply(sent_ns)
        head = self._until(b"\r\n\r\n")
        reply.first_byte_ns = self.received_ns
        status_line, *header_lines = head.decode("latin-1").split("\r\n")
        reply.status = int(status_line.split(" ")[1])
        for line in header_lines:
            name, _, value = line.partition(":")
            reply.headers[name.strip().lower()] = value.strip()
        parts = (self._chunks() if reply.headers.get("transfer-encoding") == "chunked"
                 else self._sized(int(reply.headers.get("content-length", 0))))
        stream = "text/event-stream" in reply.headers.get("content-type", "")
        tail = b""
        for part in parts:
            reply.body += part
            if not stream:
                continue
            *whole, tail = (tail + part).split(b"\n\n")
            reply.events += [Event(self.received_ns, data)
                             for data in map(parse_event, whole) if data is not None]
            if leave_after is not None and len(reply.token_events) >= leave_after:
                reply.end_ns = self.received_ns
                return reply
        reply.end_ns = self.received_ns
        reply.complete = True
        return reply

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _receive(self):
        data = self.socket.recv(RECEIVE_BYTES)
        self.received_ns = time.monotonic_ns()
        if not data:
            raise ConnectionError("server closed the connection")
        self.pending += data

    def _until(self, mark):
        while mark not in self.pending:
            self._receive()
        part, self.pending = self.pending.split(mark, 1)
        return part

    def _sized(self, size):
        while len(self.pending) < size:
            self._receive()
        part, self.pending = self.pending[:size], self.pending[size:]
        yield part

    def _chunks(self):
        """The parts of a chunked body, each as soon as it is there."""
        while True:
            size = int(self._until(b"\r\n").split(b";")[0], 16)
            yield from self._sized(size)
            self._until(b"\r\n")
            if size == 0:
                return


def parse_event(text):
    """The data of one server-sent event; None for comments (keep-alive)."""
    for line in text.split(b"\n"):
        name, _, value = line.partition(b":")
        if name in (b"data", b"error"):
            value = value.strip().decode()
            return value if value == "[DONE]" else json.loads(value)
    return None


def post(port, path, body, **options):
    """One request on a connection of its own."""
    with Connection(port) as connection:
        return connection.request(path, body, **options)


def get(port, path):
    with Connection(port) as connection:
        return connection.request(path)


def completion(port, prompt, **fields):
    """Native /completion, greedy, with token ids."""
    return post(port, "/completion",
                {"prompt": prompt, "temperature": 0, "return_tokens": True, **fields})


def openai_body(fields):
    body = {"model": "any", "temperature": 0, **fields}
    if body.get("stream"):
        body.setdefault("stream_options", {"include_usage": True})
    # None takes a default away, for example stream_options.
    return {name: value for name, value in body.items() if value is not None}


def v1_completion(port, prompt, **fields):
    return post(port, "/v1/completions", openai_body({"prompt": prompt, **fields}))


def chat(port, text, **fields):
    messages = [{"role": "user", "content": text}]
    return post(port, "/v1/chat/completions", openai_body({"messages": messages, **fields}))


def embeddings(port, texts):
    return post(port, "/v1/embeddings", {"model": "any", "input": texts})


def leave(port, path, body, after):
    """Starts a stream and closes the connection after that many token events."""
    with Connection(port) as connection:
        sent_ns = connection.send(request_bytes(path, {**body, "stream": True}))
        return connection.read_reply(sent_ns, leave_after=after)


def pipeline(port, requests):
    """Sends several (path, body) in one write, then reads the answers."""
    with Connection(port) as connection:
        sent_ns = connection.send(b"".join(request_bytes(*r) for r in requests))
        return [connection.read_reply(sent_ns) for _ in requests]


def metrics(port):
    """Prometheus samples of /metrics: name with labels -> value."""
    lines = get(port, "/metrics").body.decode().splitlines()
    return {name: float(value) for name, value in
            (line.rsplit(" ", 1) for line in lines if line and line[0] != "#")}


def slots(port):
    return json.loads(get(port, "/slots").body)


def wait_idle(port, timeout_s=30):
    """Returns when no slot is working: what a client left behind is done."""
    _wait_slots(port, False, timeout_s)


def wait_busy(port, timeout_s=5):
    """Returns when a slot is working."""
    _wait_slots(port, True, timeout_s)


def _wait_slots(port, busy, timeout_s):
    deadline = time.monotonic() + timeout_s
    while any(slot["is_processing"] for slot in slots(port)) != busy:
        if time.monotonic() > deadline:
            raise TimeoutError(f"slots {'idle' if busy else 'busy'} for {timeout_s} s")
        time.sleep(0.005)
