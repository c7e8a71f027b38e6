#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What llama.cpp's own Python package reads in GGUF files: the truth for test_gguf.c, by another hand.

    gguf_truth.py FOLDER      'name=value' lines, 'path=...' before those of each file
    gguf_truth.py --formats   'number name weights bytes' of a block of every number format
"""
import hashlib
import pathlib
import struct
import sys

import gguf


def formats():
    for kind, (weights, size) in sorted(gguf.constants.GGML_QUANT_SIZES.items()):
        # The package has 40 bytes for Q8_1, as it was until 2023; no file holds it, and ggml-common.h says 36.
        if kind.name != "Q8_1":
            print(int(kind), kind.name, weights, size)


def dominant(tensors):
    sums = {}
    for tensor in tensors:
        sums[tensor.tensor_type] = sums.get(tensor.tensor_type, 0) + int(tensor.n_bytes)
    return max(sums, key=sums.get).name


def digest(path, reader):
    last = max((tensor.field for tensor in reader.tensors), key=lambda field: field.offset)
    header = last.offset + sum(int(part.nbytes) for part in last.parts)
    with open(path, "rb") as file:
        text = file.read(header)
    return hashlib.sha256(text + struct.pack("<Q", path.stat().st_size)).hexdigest()


def facts(path):
    reader = gguf.GGUFReader(path)

    def value(key):
        return reader.get_field(key).contents()

    arch = value("general.architecture")
    return {
        "path": path,
        "arch": arch,
        "name": value("general.name"),
        "file_type": value("general.file_type"),
        "n_layers": value(f"{arch}.block_count"),
        "n_embd": value(f"{arch}.embedding_length"),
        "n_ff": value(f"{arch}.feed_forward_length"),
        "n_heads": value(f"{arch}.attention.head_count"),
        "n_kv_heads": value(f"{arch}.attention.head_count_kv"),
        "context_length": value(f"{arch}.context_length"),
        "n_vocab": len(value("tokenizer.ggml.tokens")),
        "n_params": sum(int(tensor.n_elements) for tensor in reader.tensors),
        "weight_bytes": sum(int(tensor.n_bytes) for tensor in reader.tensors),
        "quantization": dominant(reader.tensors),
        "digest": digest(path, reader),
    }


def main():
    if sys.argv[1] == "--formats":
        formats()
        return
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.gguf")):
        for name, value in facts(path).items():
            print(f"{name}={value}")


if __name__ == "__main__":
    main()
