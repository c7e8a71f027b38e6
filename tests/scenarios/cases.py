"""What a server's users do, one function each: it acts as the client and returns the truth, request by request, from what
the client saw and from the server's native fields. run.py records each one and holds the report against it."""
import random
import subprocess
import sys
import threading
from dataclasses import dataclass

import client
import engine
import venvs

ALL = []


@dataclass
class Truth:
    """One request as the client knows it. None: not compared."""
    path: str
    status: int = 200
    prompt: int = 0          # tokens computed
    cached: int = 0
    completion: int = 0
    drafted: int = 0
    rejected: int = 0
    billed: tuple = (None, None)     # prompt and completion tokens as the answer said
    api_id: str = None
    sent_ns: int = 0
    complete: bool = True
    at_least: int = None     # instead of `completion`, where the server decides when it notices
    why: str = ""            # expected in incomplete_reasons
    exact: bool = False      # its match must not be ambiguous


def case(versions=None, slow=False, **server_options):
    def register(function):
        function.server_options = tuple(sorted(server_options.items()))
        function.versions = versions
        function.slow = slow
        ALL.append(function)
        return function
    return register


def truth_of(reply, path, choices=1, exact=False):
    """The truth of an answered request, by the server's native fields and the tokens that arrived."""
    timings = reply.timings or {}
    native, usage = reply.native, reply.usage or {}
    completion = timings.get("predicted_n", native.get("tokens_predicted", 0))
    billed = (usage.get("prompt_tokens", native.get("tokens_evaluated")),
              usage.get("completion_tokens", native.get("tokens_predicted")))
    drafted = timings.get("draft_n", 0)
    return Truth(path, reply.status, prompt=timings.get("prompt_n", 0), cached=timings.get("cache_n", 0),
                 completion=completion * choices, drafted=drafted,
                 rejected=drafted - timings.get("draft_n_accepted", 0), billed=billed,
                 api_id=reply.response_id, sent_ns=reply.sent_ns, exact=exact)


def index_of(document):
    choices = document.get("choices")
    return choices[0]["index"] if choices else document["index"]


def truth_of_list(reply, path, n=1):
    """Several prompts in one request, each of whose generations has timings of its own. Of n choices of one prompt each
    repeats what the prompt took, which was computed once."""
    ended = {index_of(d): d for d in reply.documents if d.get("timings")}
    timings = {i: d["timings"] for i, d in ended.items()}
    truth = truth_of(reply, path)
    truth.prompt = sum(t["prompt_n"] for i, t in timings.items() if i % n == 0)
    truth.cached = sum(t["cache_n"] for i, t in timings.items() if i % n == 0)
    truth.completion = sum(t["predicted_n"] for t in timings.values())
    if not reply.usage:     # the native fields are of one generation each
        truth.billed = tuple(sum(d[name] for d in ended.values()) for name in ("tokens_evaluated", "tokens_predicted"))
    return truth


def token_prompts(first, lengths):
    """Prompts in token numbers, none of which begins as another does: nothing of them is cached."""
    return [[first + i] + list(range(300, 299 + length)) for i, length in enumerate(lengths)]


def completion_truth(server, prompt, **fields):
    return truth_of(client.completion(server.port, prompt, **fields), "/completion")


def together(*calls):
    """Runs the calls at once; their results in order."""
    results = [None] * len(calls)

    def run(i, call):
        results[i] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@case()
def one_stream(s):
    return [completion_truth(s, "One stream of words", n_predict=24, stream=True)]


@case()
def one_answer_without_streaming(s):
    return [completion_truth(s, "One answer in a piece", n_predict=24)]


@case()
def eight_at_once_on_four_slots(s):
    def ask(i):
        prompt = f"{i} of eight " + "and some more words " * (i * 7)
        reply = client.chat(s.port, prompt, max_tokens=12 + 3 * i, stream=i % 2 == 0)
        return truth_of(reply, "/v1/chat/completions")
    return together(*[lambda i=i: ask(i) for i in range(8)])


@case()
def the_same_prompt_twice_is_cached(s):
    prompt = "The very same prompt comes twice in this recording"
    return [completion_truth(s, prompt, n_predict=6, id_slot=0), completion_truth(s, prompt, n_predict=6, id_slot=0)]


@case()
def the_same_prompt_four_times_at_once(s):
    prompt = "Twins are interchangeable"
    return together(*[lambda: truth_of(client.chat(s.port, prompt, max_tokens=10), "/v1/chat/completions")
                      for _ in range(4)])


@case()
def a_client_leaves_in_mid_stream(s):
    body = {"prompt": "Leaving before the end", "n_predict": 600, "temperature": 0, "return_tokens": True}
    reply = client.leave(s.port, "/completion", body, after=5)
    client.wait_idle(s.port)
    return [Truth("/completion", at_least=len(reply.token_ids), prompt=None, cached=None, sent_ns=reply.sent_ns)]


@case()
def five_requests_on_one_connection(s):
    found = []
    with client.Connection(s.port) as connection:
        for i in range(5):
            reply = connection.request("/completion", {"prompt": f"{i} on one line", "n_predict": 3 + i,
                                                       "temperature": 0, "return_tokens": True})
            found.append(truth_of(reply, "/completion"))
    return found


@case()
def two_pipelined_requests(s):
    requests = [("/completion", {"prompt": f"Pipe {n}", "n_predict": n, "temperature": 0}) for n in (3, 5)]
    found = []
    with client.Connection(s.port) as connection:
        sent_ns = connection.send(b"".join(client.request_bytes(*r) for r in requests))
        found.append(truth_of(connection.read_reply(sent_ns), "/completion"))
        if s.traits.pipelining:
            found.append(truth_of(connection.read_reply(sent_ns), "/completion"))
    if not s.traits.pipelining:      # the server forgets the second one: it is listed, and unanswered
        found.append(Truth("/completion", status=0, complete=False, why="unanswered", sent_ns=sent_ns + 1))
    return found


@case()
def two_choices_of_one_prompt(s):
    reply = client.v1_completion(s.port, "Two choices of one prompt", max_tokens=9, n=2)
    return [truth_of(reply, "/v1/completions", choices=2)]


@case()
def choices_streamed_from_the_first_slot(s):
    """The parent's next row stands before its child's first one in the same step."""
    reply = client.v1_completion(s.port, "Choices of the first slot", max_tokens=5, n=2, stream=True, id_slot=0)
    return [truth_of(reply, "/v1/completions", choices=2)]


@case()
def choices_that_end_with_their_first_token(s):
    """They have no row of their own: their first token is sampled from the output of the prompt that they share."""
    found = []
    for n in (2, 3, 4):
        for stream in (False, True):
            reply = client.v1_completion(s.port, f"{n} choices of one token, {stream}", max_tokens=1, n=n, stream=stream)
            found.append(truth_of(reply, "/v1/completions", choices=n))
    reply = client.chat(s.port, "Choices of one token", max_tokens=1, n=3)
    return found + [truth_of(reply, "/v1/chat/completions", choices=3)]


@case()
def a_list_of_prompts(s):
    prompts = ["A list of prompts", "and its second", "and third"]
    return [truth_of_list(client.completion(s.port, prompts, n_predict=5, stream=stream), "/completion")
            for stream in (False, True)]


@case()
def a_list_of_more_prompts_than_slots(s):
    prompts = [f"{i} of seven " + "and more words " * i for i in range(7)]
    return [truth_of_list(client.completion(s.port, prompts, n_predict=4, stream=stream), "/completion")
            for stream in (False, True)]


@case()
def a_list_of_prompts_in_tokens(s):
    """The answer in one piece has usage and timings of the first prompt only; the client knows what it sent."""
    lengths = (9, 4, 17, 1, 6)
    reply = client.v1_completion(s.port, token_prompts(400, lengths), max_tokens=3)
    truth = truth_of(reply, "/v1/completions", choices=len(lengths))
    truth.prompt, truth.cached = sum(lengths), 0
    streamed = client.v1_completion(s.port, token_prompts(500, lengths), max_tokens=3, stream=True)
    lone = client.completion(s.port, token_prompts(600, [12])[0], n_predict=3)
    return [truth, truth_of_list(streamed, "/v1/completions"), truth_of(lone, "/completion")]


@case()
def prompts_in_tokens_at_once_are_told_apart(s):
    """Answers in one piece, of as many tokens, without a slot number: nothing but the ids sent is different."""
    def ask(prompt):
        return truth_of(client.v1_completion(s.port, prompt, max_tokens=4), "/v1/completions", exact=True)
    return together(*[lambda p=p: ask(p) for p in token_prompts(800, (11, 14, 37))])


@case()
def two_choices_of_every_prompt_of_a_list(s):
    prompts = ["Choices of the first", "and of the second"]
    lengths = (8, 5)
    streamed = client.v1_completion(s.port, prompts, max_tokens=6, n=2, stream=True)
    reply = client.v1_completion(s.port, token_prompts(700, lengths), max_tokens=1, n=2)
    truth = truth_of(reply, "/v1/completions", choices=4)
    truth.prompt, truth.cached = sum(lengths), 0
    return [truth_of_list(streamed, "/v1/completions", n=2), truth]


@case()
def a_list_of_prompts_beside_streams(s):
    """On the two slots that it leaves free; what it is matched by is who has no other owner."""
    def ask(i):
        return completion_truth(s, f"{i} beside a list of prompts", n_predict=60, stream=True)

    def ask_list():
        client.wait_busy(s.port)
        reply = client.completion(s.port, ["In a list", "of prompts"], n_predict=8)
        return truth_of_list(reply, "/completion")
    return together(lambda: ask(0), lambda: ask(1), ask_list)


@case()
def a_stop_string_ends_it(s):
    prompt = "Stop at a string in here"
    whole = client.completion(s.port, prompt, n_predict=16)
    stopped = client.completion(s.port, prompt, n_predict=16, stop=[whole.text[12:16]])
    return [truth_of(whole, "/completion"), truth_of(stopped, "/completion")]


@case()
def one_token_at_most(s):
    return [truth_of(client.v1_completion(s.port, "Only a single one", max_tokens=1, stream=stream),
                     "/v1/completions") for stream in (False, True)]


@case()
def chat_and_completion_endpoints(s):
    return [truth_of(client.chat(s.port, "A question, please", max_tokens=8, stream=True), "/v1/chat/completions"),
            truth_of(client.chat(s.port, "Another question", max_tokens=8), "/v1/chat/completions"),
            truth_of(client.v1_completion(s.port, "And a completion", max_tokens=8, stream=True), "/v1/completions"),
            truth_of(client.v1_completion(s.port, "A last completion", max_tokens=8), "/v1/completions")]


@case()
def a_stream_without_usage_has_no_bill(s):
    reply = client.chat(s.port, "No bill is asked for", max_tokens=7, stream=True, stream_options=None)
    return [truth_of(reply, "/v1/chat/completions")]


@case()
def refused_and_unknown_requests_have_no_tokens(s):
    refused = client.post(s.port, "/completion", {"prompt": [999999], "n_predict": 2})
    unknown = client.post(s.port, "/no/such/path", {})
    return [Truth("/completion", refused.status, sent_ns=refused.sent_ns),
            Truth("/no/such/path", unknown.status, sent_ns=unknown.sent_ns)]


@case()
def the_end_of_the_context_ends_the_text(s):
    prompt = (list(range(300, 1300)) * 5)[:4090]
    return [completion_truth(s, prompt, n_predict=100)]


@case(slots=1, ctx=256, ctx_shift=True)
def generation_shifts_past_the_context(s):
    return [completion_truth(s, "Shift and shift again", n_predict=400)]


@case(embeddings=True)
def embeddings_compute_prompts_only(s):
    found = []
    for inputs in (["one text to embed", "and a second text"], "a text alone", [300, 301, 302], token_prompts(400, (5, 3, 7))):
        reply = client.embeddings(s.port, inputs)
        found.append(Truth("/v1/embeddings", 200, prompt=reply.usage["prompt_tokens"], sent_ns=reply.sent_ns,
                           billed=(reply.usage["prompt_tokens"], None)))
    reply = client.post(s.port, "/embedding", {"content": token_prompts(500, (4, 4, 6))})
    return found + [Truth("/embedding", 200, prompt=14, sent_ns=reply.sent_ns)]


@case(draft=str(engine.model_path("draft-f16")), draft_max=4, draft_p_min=0)
def a_related_draft_model(s):
    return [completion_truth(s, "A good draft of the text", n_predict=40, stream=True),
            completion_truth(s, "And a second one of them", n_predict=33)]


@case(draft=str(engine.model_path("stranger-f16")), draft_max=4, draft_p_min=0)
def a_draft_model_that_is_always_wrong(s):
    return [completion_truth(s, "A bad draft of the text", n_predict=24)]


@case(spec_ngram=True, ngram_size=3, ngram_draft=8)
def drafts_from_ngrams(s):
    return [completion_truth(s, "Again and again and again and again", n_predict=64)]


@case()
def the_openai_package(s):
    result = subprocess.run([sys.executable, str(venvs.HERE / "openai_client.py"), str(s.port)], capture_output=True,
                            text=True, timeout=60, check=False)
    if result.returncode:
        raise AssertionError(result.stderr[-500:])
    return None      # compared by the billed figures alone: they must equal the computed ones


@case(slow=True)
def a_thousand_mixed_requests(s, total=350, workers=6, seed=11):
    """On three versions together more than 1,000: streams and plain answers, long and short, cached and new, at once."""
    rng = random.Random(seed)
    kinds = [(rng.choice((client.chat, client.v1_completion)), rng.random() < 0.6, rng.randint(1, 24),
              rng.choice((3, 12, 60, 150)), rng.random() < 0.2) for _ in range(total)]

    def ask(i):
        call, stream, limit, size, repeated = kinds[i]
        prompt = " ".join(["again" if repeated else f"{i} words"] * size)
        path = "/v1/chat/completions" if call is client.chat else "/v1/completions"
        return truth_of(call(s.port, prompt, max_tokens=limit, stream=stream), path)

    def work(first):
        return [ask(i) for i in range(first, total, workers)]

    return [truth for found in together(*[lambda w=w: work(w) for w in range(workers)]) for truth in found]
