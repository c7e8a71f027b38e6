#!/usr/bin/env python3
"""Writes the synthetic GGUF models that the engine tests serve.

    make_model.py [--out DIR] [NAME...]      e.g. small-f16 small-q8_0 large-f16

The weights are random but not aimless. Every printable token has a successor
(tokens form rings of RING_LENGTH), the output matrix is tilted towards it, and
the layers add noise that depends on the context. So greedy text is varied but
repeats itself, a draft made of the first layers agrees with its target most of
the time, and a model with other rings (the "stranger") hardly ever does.

Dimension 0 of the residual stream is a constant that only the output rows of
the special tokens read, with a large negative weight: end-of-text, control and
byte tokens have hopeless logits. Generated text is therefore always ASCII and
ends when the client says so; logit_bias can still force an end of text.
"""
import argparse
import os
import pathlib
import sys
import time
from dataclasses import dataclass

import venvs

venvs.enter("client")

import gguf  # noqa: E402  (only the client environment has it)
import numpy as np  # noqa: E402

import synthetic_vocab  # noqa: E402

CONTEXT_LENGTH = 8192
HEAD_DIM = 64
RING_LENGTH = 12
# Output logits are scaled so that noise has this standard deviation: at
# temperature 1 sampling then picks among a handful of tokens.
LOGIT_NOISE = 1.5
# How far the successor stands above the noise, in standard deviations, and how
# much the layers move the hidden state. Chosen by the draft acceptance they
# give (see FINDINGS.md), not by theory.
SUCCESSOR_LEAD = 8.0
LAYER_GAIN = 0.6
EXPERTS_USED = 2
SPECIAL_LOGIT = -200.0


@dataclass(frozen=True)
class Shape:
    """Size and kinship of one model."""
    n_embd: int
    n_ff: int
    n_layer: int
    seed: int        # embeddings, output and layers
    ring_seed: int   # which token follows which
    n_expert: int = 0    # of a mixture: feed-forward networks of a layer, EXPERTS_USED of them for a token


SHAPES = {
    "tiny": Shape(256, 768, 10, seed=1, ring_seed=1),
    "small": Shape(512, 1536, 8, seed=2, ring_seed=1),
    "large": Shape(1024, 3072, 18, seed=3, ring_seed=1),
    # The same seed as "small": its embeddings, output and first two layers.
    "draft": Shape(512, 1536, 2, seed=2, ring_seed=1),
    "stranger": Shape(256, 768, 2, seed=4, ring_seed=4),
    "mixture": Shape(512, 768, 6, seed=5, ring_seed=1, n_expert=8),
}
TYPES = {
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}
DEFAULT_NAMES = ["tiny-f16", "tiny-q8_0", "small-f16", "small-q8_0",
                 "draft-f16", "stranger-f16"]

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content']"
    " + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def matrix(seed, tensor_id, rows, columns, gain=1.0):
    """Normal weights; one stream per tensor, so models of one seed share
    layers however many each has."""
    generator = np.random.default_rng([seed, tensor_id])
    values = generator.standard_normal((rows, columns), dtype=np.float32)
    values *= gain / np.sqrt(columns)
    return values


def successors(printable, ring_seed):
    """Maps each printable token id to the next one on its ring."""
    order = np.random.default_rng([ring_seed]).permutation(printable)
    following = {}
    for start in range(0, len(order), RING_LENGTH):
        ring = order[start:start + RING_LENGTH]
        following.update(zip(ring, np.roll(ring, -1)))
    return following


def embedding_and_output(shape, vocab):
    """Token embeddings and the output matrix that reads successors off them."""
    n_vocab = len(vocab.tokens)
    embedding = matrix(shape.seed, 0, n_vocab, shape.n_embd) * np.sqrt(shape.n_embd)
    embedding[:, 0] = 1.0
    output = matrix(shape.seed, 1, n_vocab, shape.n_embd) * np.sqrt(shape.n_embd)
    lead = SUCCESSOR_LEAD / np.sqrt(shape.n_embd)
    for token, following in successors(vocab.printable, shape.ring_seed).items():
        output[following] += lead * embedding[token]
    output *= LOGIT_NOISE / np.sqrt(shape.n_embd)
    special = np.setdiff1d(np.arange(n_vocab), vocab.printable)
    output[:, 0] = 0.0
    output[special, :] = 0.0
    output[special, 0] = SPECIAL_LOGIT
    return embedding, output


def layer_tensors(shape, layer):
    """Yields (name, weights) of one transformer layer."""
    n_embd, n_ff = shape.n_embd, shape.n_ff
    prefix = f"blk.{layer}."
    sizes = [("attn_q", n_embd, n_embd, 1.0), ("attn_k", n_embd, n_embd, 1.0),
             ("attn_v", n_embd, n_embd, 1.0),
             ("attn_output", n_embd, n_embd, LAYER_GAIN),
             ("ffn_gate", n_ff, n_embd, 1.0), ("ffn_up", n_ff, n_embd, 1.0),
             ("ffn_down", n_embd, n_ff, LAYER_GAIN)]
    for index, (name, rows, columns, gain) in enumerate(sizes):
        experts = shape.n_expert if name.startswith("ffn_") else 0
        weights = matrix(shape.seed, 100 + 10 * layer + index, max(experts, 1) * rows, columns, gain)
        if rows == n_embd and gain == LAYER_GAIN:
            weights[::rows, :] = 0.0  # nothing writes to the constant dimension
        if experts:
            name, weights = name + "_exps", weights.reshape(experts, rows, columns)
        yield prefix + name + ".weight", weights
    if shape.n_expert:
        yield prefix + "ffn_gate_inp.weight", matrix(shape.seed, 109 + 10 * layer, shape.n_expert, n_embd)
    for name in ("attn_norm", "ffn_norm"):
        yield prefix + name + ".weight", np.ones(n_embd, dtype=np.float32)


def tensors(shape, vocab):
    embedding, output = embedding_and_output(shape, vocab)
    yield "token_embd.weight", embedding
    for layer in range(shape.n_layer):
        yield from layer_tensors(shape, layer)
    yield "output_norm.weight", np.ones(shape.n_embd, dtype=np.float32)
    yield "output.weight", output


def write_metadata(writer, name, shape, vocab, file_type):
    writer.add_name(f"tokprof-{name}")
    writer.add_file_type(file_type)
    writer.add_context_length(CONTEXT_LENGTH)
    writer.add_embedding_length(shape.n_embd)
    writer.add_block_count(shape.n_layer)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_embd // HEAD_DIM)
    writer.add_head_count_kv(shape.n_embd // HEAD_DIM)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-5)
    if shape.n_expert:
        writer.add_expert_count(shape.n_expert)
        writer.add_expert_used_count(EXPERTS_USED)
    writer.add_vocab_size(len(vocab.tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(vocab.tokens)
    writer.add_token_scores(vocab.scores)
    writer.add_token_types(vocab.types)
    writer.add_unk_token_id(vocab.unk)
    writer.add_bos_token_id(vocab.bos)
    writer.add_eos_token_id(vocab.eos)
    writer.add_eot_token_id(vocab.eot)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    # Without this a leading space appears and text does not round-trip.
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def write_model(path, name):
    """Writes one model; the file appears under its name only when complete."""
    shape_name, type_name = name.rsplit("-", 1)
    shape = SHAPES[shape_name]
    tensor_type, file_type = TYPES[type_name]
    vocab = synthetic_vocab.build()
    partial = path.with_suffix(f".partial.{os.getpid()}")
    writer = gguf.GGUFWriter(partial, "llama")
    write_metadata(writer, name, shape, vocab, file_type)
    for tensor_name, values in tensors(shape, vocab):
        # Norms are vectors and stay F32, as llama.cpp expects; so does what chooses the experts.
        is_matrix = values.ndim > 1 and "ffn_gate_inp" not in tensor_name
        kind = tensor_type if is_matrix else gguf.GGMLQuantizationType.F32
        writer.add_tensor(tensor_name, gguf.quants.quantize(values, kind),
                          raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.rename(path)


def main():
    known = [f"{shape}-{kind}" for shape in SHAPES for kind in TYPES]
    parser = argparse.ArgumentParser(
        description="Writes synthetic GGUF models; existing files are kept.",
        epilog=f"Models: {', '.join(known)}. Default: {', '.join(DEFAULT_NAMES)}.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", type=pathlib.Path, default=venvs.BUILD / "models")
    parser.add_argument("--force", action="store_true", help="write existing files again")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(known))
    if unknown:
        parser.error(f"unknown model {', '.join(unknown)}; known: {', '.join(known)}")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names or DEFAULT_NAMES:
        path = args.out / f"{name}.gguf"
        if path.exists() and not args.force:
            print(f"{path}: kept")
            continue
        begin = time.monotonic()
        write_model(path, name)
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB "
              f"in {time.monotonic() - begin:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
