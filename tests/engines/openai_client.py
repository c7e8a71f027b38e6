#!/usr/bin/env python3
"""The client that users have, the openai package, against a running server:

    openai_client.py PORT

Prints what it was told, one JSON line per request, and fails if a stream's
chunks and its usage disagree.
"""
import json
import sys

import venvs

venvs.enter("client")

import openai  # noqa: E402  (only the client environment has it)

MAX_TOKENS = 16
MESSAGES = [{"role": "user", "content": "How many tokens is this?"}]


def chat_stream(client):
    """A streamed chat; returns (token-carrying chunks, usage, response id)."""
    chunks, usage, response_id = 0, None, None
    for chunk in client.chat.completions.create(
            model="any", messages=MESSAGES, max_tokens=MAX_TOKENS, temperature=0,
            stream=True, stream_options={"include_usage": True}):
        response_id = chunk.id
        usage = chunk.usage or usage
        chunks += sum(bool(choice.delta.content) for choice in chunk.choices)
    return chunks, usage, response_id


def main():
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{int(sys.argv[1])}/v1",
                           api_key="none", max_retries=0, timeout=60)
    chunks, usage, response_id = chat_stream(client)
    print(json.dumps({"request": "chat stream", "id": response_id, "chunks": chunks,
                      "usage": usage.model_dump(exclude_none=True)}))
    completion = client.completions.create(
        model="any", prompt="One more", max_tokens=MAX_TOKENS, temperature=0)
    print(json.dumps({"request": "completion", "id": completion.id,
                      "usage": completion.usage.model_dump(exclude_none=True)}))
    if not chunks == usage.completion_tokens == MAX_TOKENS:
        sys.exit(f"openai_client.py: {chunks} chunks, usage says {usage.completion_tokens}, "
                 f"asked for {MAX_TOKENS}")


if __name__ == "__main__":
    main()
