"""The texts of an example's tokens make the text that the tokenizer itself makes of them, whatever it is made of."""

from __future__ import annotations

import time
from typing import Any

import pytest

from studio.worker.token_samples import texts

TEXTS = ("你好世界", "hello 你好世界 and more", "日本語のテキスト", "😀😎 up", "a👨‍👩‍👧b", "naïve café",
         "ab\tcd\n\n  x", "Привет мир", "hello hello", "x你x好x")  # fmt: skip


def tokenizers() -> dict[str, Any]:
    """Two kinds that cut characters in pieces: bytes for what is not in the vocabulary, and only bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"helodanmr", "he", "▁he", "你"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    fallback = Tokenizer(models.BPE(vocabulary, [("h", "e"), ("▁", "he")], byte_fallback=True, unk_token="<unk>"))
    fallback.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    fallback.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    fallback.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    alphabet = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    whole = Tokenizer(models.BPE(alphabet, []))
    whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    whole.decoder = decoders.ByteLevel()
    given = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return {
        "fallback": PreTrainedTokenizerFast(tokenizer_object=fallback, **given),
        "bytes": PreTrainedTokenizerFast(tokenizer_object=whole),
    }


@pytest.mark.parametrize("name", ["fallback", "bytes"])
def test_texts_of_tokens_that_are_parts_of_characters(name: str) -> None:
    tokenizer = tokenizers()[name]
    specials = set(tokenizer.all_special_ids)
    for text in TEXTS:
        for special in (True, False):
            ids = tokenizer(text, add_special_tokens=special)["input_ids"]
            found = texts(tokenizer, ids, specials)
            assert "".join(found) == tokenizer.decode(ids, clean_up_tokenization_spaces=False)
            assert text in "".join(found)
            assert len(found) == len(ids)
            assert not any("\ufffd" in one for one in found)
    # One that is cut within a character keeps those before it.
    ids = tokenizer("x日日日", add_special_tokens=False)["input_ids"][:-1]
    assert "".join(texts(tokenizer, ids, specials)).startswith("x日日")


def test_twice_the_tokens_take_twice_the_time() -> None:
    tokenizer = tokenizers()["fallback"]
    ids = tokenizer("日本語のテキスト" * 400)["input_ids"]
    spent = []
    for size in (len(ids) // 4, len(ids)):
        begun = time.process_time()
        texts(tokenizer, ids[:size], {1})
        spent.append(time.process_time() - begun)
    assert spent[1] < 10 * spent[0]
