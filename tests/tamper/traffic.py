"""What clients of a server do, from a seed, and what an honest bill of it is: the figures of each answer as its client got them."""
import random
import threading
from dataclasses import dataclass, field

import client

WORDS = ("river", "stone", "lamp", "seven", "green", "paper", "under", "north", "salt", "wheel", "glass", "quiet")
AT_ONCE = 6
PREFIX_WORDS = 60


@dataclass(frozen=True)
class Line:
    """What is billed of one request. cached None: the server does not say."""
    id: str
    model: str
    prompt: int
    cached: int
    completion: int
    reasoning: int = None
    price: str = None
    rejected: int = 0          # drafts; not billed, known from the engine's own `timings`
    several: bool = False      # of several choices the usage covers one


@dataclass
class Truth:
    lines: list = field(default_factory=list)
    n_left: int = 0            # clients that left before the end
    n_refused: int = 0


def line_of(reply, several=False):
    usage, timings = reply.usage, reply.timings or {}
    details = usage.get("prompt_tokens_details") or {}
    return Line(reply.response_id, reply.last("model"), usage["prompt_tokens"],
                details.get("cached_tokens", timings.get("cache_n")), usage["completion_tokens"], several=several,
                reasoning=(usage.get("completion_tokens_details") or {}).get("reasoning_tokens"),
                rejected=timings.get("draft_n", 0) - timings.get("draft_n_accepted", 0))


def words(rng, n):
    return " ".join(rng.choice(WORDS) for _ in range(n))


def together(jobs, at_once=AT_ONCE):
    """Runs the jobs by so many clients; results in the order of jobs."""
    results, todo, lock = [None] * len(jobs), list(enumerate(jobs)), threading.Lock()
    failures = []

    def work():
        while True:
            with lock:
                if not todo or failures:
                    return
                i, job = todo.pop(0)
            try:
                results[i] = job()
            except Exception as error:     # of any kind: the thread's end would hide it
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def ask(port, prompt, n, stream, chat, choices=1):
    more = {"n": choices} if choices > 1 else {}
    reply = (client.chat(port, prompt, max_tokens=n, stream=stream, **more) if chat else
             client.v1_completion(port, prompt, max_tokens=n, stream=stream, **more))
    return line_of(reply, choices > 1)


def finish(port, lines):
    client.wait_idle(port)
    return Truth([line for line in lines if line])


def load(port, rng, n):
    """Streams and whole answers, short and long, some of several choices, more of them than there are slots."""
    def job():
        prompt, tokens = words(rng, rng.randint(3, 60)), rng.randint(2, 30)
        stream, chat, choices = rng.random() < 0.6, rng.random() < 0.5, 2 if rng.random() < 0.1 else 1
        return lambda: ask(port, prompt, tokens, stream, chat, choices)
    return finish(port, together([job() for _ in range(n)]))


def cache_hits(port, rng, n, idle=None):
    """Few prompts with one long beginning, each asked again and again. `idle`: the server's own port, behind a gateway."""
    prefix = words(rng, PREFIX_WORDS)
    prompts = [f"{prefix} {words(rng, 6)}" for _ in range(3)]

    def job():
        prompt, tokens, stream = rng.choice(prompts), rng.randint(2, 16), rng.random() < 0.5
        return lambda: ask(port, prompt, tokens, stream, chat=False)
    return finish(idle or port, together([job() for _ in range(n)], at_once=3))


def leave(port, prompt, after):
    body = client.openai_body({"prompt": prompt, "max_tokens": 400, "stream": True})
    client.leave(port, "/v1/completions", body, after)


def refused(port):
    reply = client.post(port, "/v1/completions", b'{"prompt": "an object without an end"')
    if reply.status < 400:
        raise AssertionError(f"a body that is no JSON was answered with {reply.status}")


def cancellations(port, rng, n):
    """A third of the clients leave in mid-stream, and some requests are refused."""
    truth, jobs = Truth(), []
    for i in range(n):
        prompt, tokens = words(rng, rng.randint(3, 30)), rng.randint(4, 24)
        if i % 3 == 1:
            jobs.append(lambda p=prompt, k=rng.randint(1, 8): leave(port, p, k))
            truth.n_left += 1
        elif i % 7 == 3:
            jobs.append(lambda: refused(port))
            truth.n_refused += 1
        else:
            jobs.append(lambda p=prompt, t=tokens, s=rng.random() < 0.7: ask(port, p, t, s, chat=False))
    truth.lines = finish(port, together(jobs)).lines
    return truth


def speculation(port, rng, n):
    """For a server with a draft model, most of whose drafts are accepted."""
    def job():
        prompt, tokens, stream = words(rng, rng.randint(3, 20)), rng.randint(8, 40), rng.random() < 0.6
        return lambda: ask(port, prompt, tokens, stream, chat=False)
    return finish(port, together([job() for _ in range(n)], at_once=3))


def seeded(seed, *names):
    return random.Random(":".join(map(str, (seed, *names))))
