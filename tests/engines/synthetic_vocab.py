"""A SentencePiece ("llama" type) vocabulary of ASCII pieces.

Text goes in and comes out unchanged. Pieces have one to five characters, so
tokens and characters never coincide by accident. Byte tokens exist for input
outside ASCII only; make_model.py sees to it that none is ever sampled.
"""
from dataclasses import dataclass

from gguf import TokenType

SPACE = "\u2581"  # SentencePiece's mark for a space
VOWELS = "aeiou"
CONSONANTS = "bcdfghjklmnpqrstvwxz"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
N_VOCAB = 2048


@dataclass
class Vocab:
    tokens: list
    scores: list
    types: list
    printable: list  # ids of the tokens that may be sampled
    unk: int = 0
    bos: int = 1
    eos: int = 2
    eot: int = 4


def pieces():
    """Printable pieces, more than fit. Each is reachable by joining two earlier
    ones, which is what the tokenizer does."""
    syllables = [c + v for c in CONSONANTS for v in VOWELS]
    yield from (SPACE if c == " " else c for c in map(chr, range(0x20, 0x7f)))
    yield from (a + b for a in LETTERS for b in LETTERS)
    yield from (SPACE + letter for letter in LETTERS)
    yield from (SPACE + syllable for syllable in syllables)
    yield from (SPACE + a + b for a in syllables for b in syllables)


def build():
    vocab = Vocab([], [], [], [])

    def add(text, kind, score):
        vocab.tokens.append(text)
        vocab.types.append(kind)
        vocab.scores.append(score)

    add("<unk>", TokenType.UNKNOWN, 0.0)
    add("<s>", TokenType.CONTROL, 0.0)
    add("</s>", TokenType.CONTROL, 0.0)
    add("<|im_start|>", TokenType.CONTROL, 0.0)
    add("<|im_end|>", TokenType.CONTROL, 0.0)
    for byte in range(256):
        add(f"<0x{byte:02X}>", TokenType.BYTE, 0.0)
    for piece in pieces():
        if len(vocab.tokens) == N_VOCAB:
            break
        vocab.printable.append(len(vocab.tokens))
        # The tokenizer joins the pair with the highest score: longest first.
        add(piece, TokenType.NORMAL, float(len(piece)))
    return vocab
