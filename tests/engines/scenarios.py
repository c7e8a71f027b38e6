"""The findings about the engine, one function each, checked by smoke.py.

A scenario uses prompts of its own, so that none is cached by accident.
"""
import subprocess
import sys
import threading

import client
import engine
import venvs

MODELS = ("small-f16", "draft-f16", "stranger-f16")
ALL = []


def scenario(**server_options):
    """Registers a scenario, to be run on a server with these options."""
    def register(function):
        function.server_options = tuple(sorted(server_options.items()))
        ALL.append(function)
        return function
    return register


PLAIN = {}
DRAFT = dict(draft=str(engine.model_path("draft-f16")), draft_max=4, draft_p_min=0)
STRANGER = dict(draft=str(engine.model_path("stranger-f16")), draft_max=4, draft_p_min=0)
NGRAM = dict(spec_ngram=True, ngram_size=3, ngram_draft=8)


@scenario(**PLAIN)
def the_first_token_is_sampled_with_the_prefill(s):
    reply, metrics, counts = s.measure(client.completion, s.port, "Hello, first world",
                                       n_predict=8)
    prompt_n = reply.timings["prompt_n"]
    s.expect("token ids", len(reply.token_ids), 8)
    s.expect("tokens_predicted", reply.native["tokens_predicted"], 8)
    s.expect("steps by /metrics", metrics["n_decode_total"], 8)
    # The last sampled token is never put through the model.
    s.expect("tokens_cached", reply.native["tokens_cached"],
             reply.native["tokens_evaluated"] + 7)
    s.expect_counts(counts, calls=8, ubatches=8, tokens=prompt_n + 7, logits=8,
                    process_calls=8 if s.traits.step_function == "llama_process" else 0)


@scenario(**PLAIN)
def a_cached_prompt_is_billed_whole_and_computed_as_one_token(s):
    prompt = "Twice the same words in a row"
    first = client.completion(s.port, prompt, n_predict=4)
    again, metrics, counts = s.measure(client.completion, s.port, prompt, n_predict=4)
    n_prompt = first.native["tokens_evaluated"]
    s.expect("tokens_evaluated", again.native["tokens_evaluated"], n_prompt)
    s.expect("cache_n", again.timings["cache_n"], n_prompt - 1)
    s.expect("prompt_n", again.timings["prompt_n"], 1)
    s.expect("prompt tokens by /metrics", metrics["prompt_tokens_total"], 1)
    s.expect("same tokens", again.token_ids, first.token_ids)
    s.expect_counts(counts, tokens=4, logits=4)


@scenario(**PLAIN)
def usage_prompt_tokens_include_cached_ones(s):
    prompt = "Usage of cached words is told"
    first = client.v1_completion(s.port, prompt, max_tokens=2)
    again = client.v1_completion(s.port, prompt, max_tokens=2)
    s.expect("prompt_tokens", again.usage["prompt_tokens"], first.usage["prompt_tokens"])
    details = again.usage.get("prompt_tokens_details", {}).get("cached_tokens")
    s.expect("cached_tokens", details,
             again.timings["cache_n"] if s.traits.usage_says_cached else None)


@scenario(**PLAIN)
def a_stream_has_one_event_per_token(s):
    native = client.completion(s.port, "Events of a stream", n_predict=8, stream=True)
    s.expect("native token events", [len(e.data["tokens"]) for e in native.token_events],
             [1] * 8)
    s.expect("native events", len(native.events), 9)
    legacy = client.v1_completion(s.port, "Events of a stream", max_tokens=8, stream=True)
    s.expect("completion token events", len(legacy.token_events), 8)
    chat = client.chat(s.port, "Events of a stream", max_tokens=8, stream=True)
    s.expect("chat token events", len(chat.token_events), 8)
    s.expect("usage", chat.usage["completion_tokens"], 8)
    s.expect("last event", chat.events[-1].data, "[DONE]")


@scenario(**PLAIN)
def a_chat_stream_has_usage_only_on_request_a_completion_stream_always(s):
    chat = client.chat(s.port, "No usage", max_tokens=2, stream=True, stream_options=None)
    s.expect("chat usage", chat.usage, None)
    s.expect("chat timings", chat.timings["predicted_n"], 2)
    legacy = client.v1_completion(s.port, "No usage", max_tokens=2, stream=True,
                                  stream_options=None)
    s.expect("completion usage", legacy.usage["completion_tokens"], 2)


@scenario(**PLAIN)
def max_tokens_0_and_1_both_sample_one_token(s):
    for limit in (0, 1):
        reply, _, counts = s.measure(client.v1_completion, s.port, "Only one", max_tokens=limit)
        s.expect("completion_tokens", reply.usage["completion_tokens"], 1)
        s.expect("finish reason", reply.finish_reason, "length")
        s.expect_counts(counts, calls=1, logits=1)


@scenario(**PLAIN)
def a_stop_string_hides_text_but_its_tokens_are_billed(s):
    prompt = "Stop me if you can"
    whole = client.completion(s.port, prompt, n_predict=16).text
    stop = whole[12:16]
    for stream in (False, True):
        reply, _, counts = s.measure(client.completion, s.port, prompt, n_predict=16,
                                     stop=[stop], stream=stream)
        s.expect("text", reply.text, whole[:whole.index(stop)])
        s.expect("stop type", reply.finish_reason, "word")
        predicted = reply.native["tokens_predicted"]
        s.expect("token ids", len(reply.token_ids), predicted)
        s.expect_counts(counts, logits=predicted, calls=predicted)


@scenario(**PLAIN)
def the_end_of_text_token_is_billed_and_has_no_text(s):
    bias = [[2, 1000]]
    reply, _, counts = s.measure(client.completion, s.port, "End at once", n_predict=8,
                                 logit_bias=bias)
    s.expect("token ids", reply.token_ids, [2])
    s.expect("text", reply.text, "")
    s.expect("tokens_predicted", reply.native["tokens_predicted"], 1)
    s.expect_counts(counts, logits=1)
    ignoring = client.completion(s.port, "End at once", n_predict=8, logit_bias=bias,
                                 ignore_eos=True)
    s.expect("tokens with ignore_eos", ignoring.native["tokens_predicted"],
             1 if s.traits.bias_beats_ignore_eos else 8)


@scenario(**PLAIN)
def two_choices_share_the_prefill_and_usage_names_only_one(s):
    reply, metrics, counts = s.measure(client.v1_completion, s.port,
                                       "Zwei choices of one prompt", max_tokens=8, n=2)
    s.expect("choices", sorted(reply.choices), [0, 1])
    s.expect("completion_tokens", reply.usage["completion_tokens"], 8)
    s.expect("tokens by /metrics", metrics["tokens_predicted_total"], 16)
    prompt_n = reply.timings["prompt_n"]
    repeats = 2 if s.traits.metrics_repeat_shared_prompt else 1
    s.expect("prompt tokens by /metrics", metrics["prompt_tokens_total"], prompt_n * repeats)
    s.expect_counts(counts, calls=8, logits=16, tokens=prompt_n + 2 * 7)


@scenario(**PLAIN)
def a_list_of_prompts_is_billed_as_its_first_one(s):
    prompts = [[20, 300, 301, 302], [21, 300], [22, 300, 301]]
    reply, metrics, counts = s.measure(client.v1_completion, s.port, prompts, max_tokens=2)
    s.expect("choices", sorted(reply.choices), [0, 1, 2])
    s.expect("usage", (reply.usage["prompt_tokens"], reply.usage["completion_tokens"]), (4, 2))
    s.expect("tokens by /metrics", metrics["tokens_predicted_total"], 6)
    s.expect_counts(counts, logits=6, tokens=9 + 3)
    streamed, _, _ = s.measure(client.v1_completion, s.port, prompts, max_tokens=2, stream=True)
    bills = {d["choices"][0]["index"]: d["usage"]["prompt_tokens"] for d in streamed.documents if d.get("usage")}
    s.expect("prompt tokens billed in a stream", bills, {0: 4, 1: 2, 2: 3})


@scenario(**PLAIN)
def a_client_that_leaves_a_stream_stops_it_within_a_few_tokens(s):
    body = {"prompt": "Leaving soon", "n_predict": 1000, "temperature": 0,
            "return_tokens": True}
    reply, metrics, counts = s.measure(client.leave, s.port, "/completion", body, after=5)
    s.expect("reply complete", reply.complete, False)
    s.expect("usage", (reply.usage, reply.timings), (None, None))
    steps = metrics["n_decode_total"]
    if not len(reply.token_ids) <= steps < 100:
        raise AssertionError(f"{steps} steps for {len(reply.token_ids)} tokens seen")
    s.expect("tokens by /metrics", metrics["tokens_predicted_total"],
             steps if s.traits.metrics_count_aborted else 0)
    s.expect_counts(counts, calls=steps, logits=steps)


@scenario(**PLAIN)
def a_client_that_leaves_without_streaming_is_served_to_the_end(s):
    def leave():
        with client.Connection(s.port) as connection:
            connection.send(client.request_bytes(
                "/completion", {"prompt": "Gone", "n_predict": 300}))
            # The request must have reached a slot before the client leaves.
            client.wait_busy(s.port)
    _, metrics, _ = s.measure(leave)
    s.expect("tokens by /metrics", metrics["tokens_predicted_total"], 300)


@scenario(**PLAIN)
def concurrent_requests_share_steps(s):
    replies = []

    def ask(number):
        replies.append(client.completion(s.port, f"{number} at a time", n_predict=32))

    def crowd():
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    _, metrics, counts = s.measure(crowd)
    s.expect("tokens", [len(reply.token_ids) for reply in replies], [32] * 8)
    # Eight requests on four slots: two waves of 32 steps and some raggedness.
    if not 64 <= metrics["n_decode_total"] < 128:
        raise AssertionError(f"{metrics['n_decode_total']} steps for 256 tokens")
    s.expect_counts(counts, logits=256)


@scenario(**PLAIN)
def a_connection_lives_on_after_a_plain_reply_and_not_after_a_stream(s):
    body = {"prompt": "Keep it alive", "n_predict": 2}
    with client.Connection(s.port) as connection:
        for _ in range(3):
            s.expect("status", connection.request("/completion", body).status, 200)
        reply = connection.request("/completion", {**body, "stream": True})
        s.expect("announced", reply.headers.get("connection"), None)
        try:
            connection.request("/completion", body)
        except ConnectionError:
            return
    raise AssertionError("the connection survived a streamed reply")


@scenario(**PLAIN)
def pipelined_requests_are_answered_in_order_or_the_connection_is_closed(s):
    requests = [("/completion", {"prompt": "Pipe", "n_predict": n}) for n in (1, 2, 3)]
    try:
        replies = client.pipeline(s.port, requests)
    except ConnectionError:
        s.expect("pipelining", False, s.traits.pipelining)
        return
    s.expect("pipelining", True, s.traits.pipelining)
    s.expect("tokens", [r.native["tokens_predicted"] for r in replies], [1, 2, 3])


@scenario(**PLAIN)
def bad_requests_compute_nothing_and_throw_outside_the_model(s):
    def refuse(path, body, status):
        reply, _, counts = s.measure(client.post, s.port, path, body)
        s.expect(f"status of {path} {str(body)[:40]}", reply.status, status)
        s.expect_counts(counts, calls=0, tokens=0, throws_in_calls=0)

    refuse("/completion", b'{"prompt": ', s.traits.malformed_status)
    refuse("/v1/chat/completions", {"model": "no messages"}, 400)
    refuse("/v1/chat/completions", {"messages": [{"role": 5, "content": "x"}]}, 500)
    refuse("/completion", {"prompt": [999999], "n_predict": 2}, 400)
    refuse("/completion", {"prompt": list(range(300, 800)) * 10}, 400)
    refuse("/no/such/path", {}, 404)
    refuse("/v1/embeddings", {"input": "x"}, 501)


@scenario(**PLAIN)
def wrong_fields_are_refused_or_ignored(s):
    for field in ({"grammar": "root ::= ("}, {"temperature": "hot"}):
        reply = client.completion(s.port, "Wrong", **{"n_predict": 2, **field})
        s.expect(f"status for {field}", reply.status, 400 if s.traits.checks_fields else 200)


@scenario(slots=2, ctx=1024)
def a_full_cache_costs_calls_that_compute_nothing(s):
    client.completion(s.port, list(range(300, 800)), n_predict=1, id_slot=0)
    reply, metrics, counts = s.measure(client.completion, s.port, list(range(800, 1800)),
                                       n_predict=8, id_slot=1)
    s.expect("tokens_predicted", reply.native["tokens_predicted"], 8)
    if counts is not None:
        # The refused call has no ubatch of its own; the server throws the idle
        # slot's cache away and calls again.
        s.expect("tokens counted", counts.tokens, 1000 + 7)
        if counts.calls <= 8:
            raise AssertionError("no call was refused")
        s.expect("steps by /metrics", metrics["n_decode_total"],
                 counts.calls if s.traits.metrics_count_failed_calls else 8)


@scenario(**PLAIN)
def asking_for_probabilities_reads_logits_twice(s):
    reply, _, counts = s.measure(client.completion, s.port, "Probable", n_predict=4, n_probs=3)
    s.expect("tokens_predicted", reply.native["tokens_predicted"], 4)
    s.expect_counts(counts, calls=4, logits=8)


@scenario(**PLAIN)
def the_end_of_the_context_ends_the_text(s):
    reply = client.completion(s.port, (list(range(300, 1300)) * 5)[:4090], n_predict=100)
    s.expect("tokens_predicted", reply.native["tokens_predicted"], 6)
    s.expect("truncated", reply.native["truncated"], True)
    s.expect("stop type", reply.finish_reason, "limit")


@scenario(slots=1, ctx=256, ctx_shift=True)
def context_shift_generates_past_the_context(s):
    reply, metrics, counts = s.measure(client.completion, s.port, "Shift", n_predict=400)
    s.expect("tokens_predicted", reply.native["tokens_predicted"], 400)
    s.expect("truncated", reply.native["truncated"], True)
    s.expect_counts(counts, tokens=reply.timings["prompt_n"] + 399)


def expect_speculation(s, reply, metrics):
    """The law of drafting: each accepted token saves one step of the target."""
    timings = reply.timings
    s.expect("tokens_predicted", reply.native["tokens_predicted"], 64)
    s.expect("steps by /metrics", metrics["n_decode_total"],
             64 - timings.get("draft_n_accepted", 0))
    names = ("spec_decode_num_draft_tokens_total", "spec_decode_num_accepted_tokens_total")
    expected = ((timings["draft_n"], timings["draft_n_accepted"])
                if s.traits.metrics_speculation else (None, None))
    s.expect("/metrics of drafting", tuple(map(metrics.get, names)), expected)


@scenario(**DRAFT)
def a_related_draft_is_mostly_accepted(s):
    reply, metrics, counts = s.measure(client.completion, s.port, "A good draft",
                                       n_predict=64)
    expect_speculation(s, reply, metrics)
    drafted, accepted = reply.timings["draft_n"], reply.timings["draft_n_accepted"]
    if not drafted / 2 < accepted < drafted:
        raise AssertionError(f"{accepted} of {drafted} accepted")
    if counts is not None and counts.calls <= metrics["n_decode_total"]:
        raise AssertionError("the draft model's steps were not counted")


@scenario(**DRAFT)
def the_tail_of_a_draft_is_delivered_or_lost(s):
    lost = False
    for number in range(8):
        reply = client.completion(s.port, f"{number} tails", n_predict=61 + number, stream=True)
        lost |= len(reply.token_ids) < reply.native["tokens_predicted"]
    s.expect("tokens billed but not delivered", lost, s.traits.loses_draft_tail)


@scenario(**STRANGER)
def a_stranger_draft_is_rejected_and_costs(s):
    reply, metrics, _ = s.measure(client.completion, s.port, "A bad draft", n_predict=64)
    expect_speculation(s, reply, metrics)
    if not reply.timings["draft_n"] > 64:
        raise AssertionError(f"only {reply.timings['draft_n']} tokens drafted")
    s.expect("accepted", reply.timings["draft_n_accepted"], 0)


@scenario(**NGRAM)
def ngram_drafts_come_without_a_second_model(s):
    reply, metrics, counts = s.measure(client.completion, s.port, "Again and again",
                                       n_predict=64)
    expect_speculation(s, reply, metrics)
    drafted, accepted = reply.timings["draft_n"], reply.timings["draft_n_accepted"]
    if not 0 < accepted <= drafted:
        raise AssertionError(f"{accepted} of {drafted} accepted")
    s.expect_counts(counts, calls=metrics["n_decode_total"], logits=64,
                    tokens=reply.timings["prompt_n"] + 63 + drafted - accepted)


@scenario(embeddings=True)
def embeddings_are_one_step_without_sampling(s):
    reply, metrics, counts = s.measure(client.embeddings, s.port, ["one text", "and two"])
    n_tokens = reply.usage["prompt_tokens"]
    s.expect("vectors", [len(d["embedding"]) for d in reply.last("data")], [512, 512])
    s.expect("prompt tokens by /metrics", metrics["prompt_tokens_total"],
             n_tokens if s.traits.metrics_count_embeddings else 0)
    s.expect_counts(counts, tokens=n_tokens, logits=0)
    long = client.embeddings(s.port, "word " * 1000)
    s.expect("status of more tokens than a physical batch", long.status, 500)


@scenario(**PLAIN)
def the_openai_package_works(s):
    command = [sys.executable, str(venvs.HERE / "openai_client.py"), str(s.port)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    s.expect(f"exit status ({result.stderr[-500:]})", result.returncode, 0)


@scenario(slots=1)
def the_server_runs_in_the_named_process_and_ends_on_sigterm_in_mid_stream(s):
    with open(f"/proc/{s.server.pid}/maps") as maps:
        s.expect("the engine is mapped", "xllamacpp" in maps.read(), True)
    with client.Connection(s.port) as connection:
        connection.send(client.request_bytes(
            "/completion", {"prompt": "Cut off", "n_predict": 3000, "stream": True}))
        connection.socket.recv(1)
        s.expect("exit status", s.server.stop(), 0)
