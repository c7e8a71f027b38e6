"""In what the pinned versions differ, as far as a meter of tokens can tell.
FINDINGS.md says it in words; smoke.py checks it against the real servers."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Traits:
    step_function: str            # what the server calls per forward pass
    malformed_status: int         # HTTP status for a body that is not JSON
    checks_fields: bool           # bad grammar, n_predict < -1: 400, else ignored
    pipelining: bool              # answers all requests sent in one write
    usage_says_cached: bool       # usage.prompt_tokens_details.cached_tokens
    bias_beats_ignore_eos: bool   # logit_bias on EOS wins over ignore_eos
    metrics_count_aborted: bool   # tokens_predicted_total includes clients that left
    metrics_count_embeddings: bool  # prompt_tokens_total includes embeddings
    metrics_repeat_shared_prompt: bool  # n=2: prompt_tokens_total counts it twice
    metrics_count_failed_calls: bool    # n_decode_total includes calls that found no room
    metrics_speculation: bool     # llamacpp:spec_decode_* exist
    loses_draft_tail: bool        # bills accepted tokens it never delivers


_SPRING = dict(
    step_function="llama_decode", malformed_status=500, checks_fields=False,
    pipelining=False, metrics_count_aborted=False, metrics_count_embeddings=False,
    metrics_repeat_shared_prompt=True, metrics_count_failed_calls=True,
    metrics_speculation=False)

TRAITS = {
    "0.2.14": Traits(usage_says_cached=False, bias_beats_ignore_eos=True,
                     loses_draft_tail=True, **_SPRING),
    "2026.5.9294": Traits(usage_says_cached=True, bias_beats_ignore_eos=False,
                          loses_draft_tail=False, **_SPRING),
    "2026.10.11549": Traits(
        step_function="llama_process", malformed_status=400, checks_fields=True,
        pipelining=True, usage_says_cached=True, bias_beats_ignore_eos=False,
        metrics_count_aborted=True, metrics_count_embeddings=True,
        metrics_repeat_shared_prompt=False, metrics_count_failed_calls=False,
        metrics_speculation=True, loses_draft_tail=False),
}
