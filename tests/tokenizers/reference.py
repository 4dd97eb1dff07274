"""Says what the reference library makes of texts: Python `tokenizers`.

Reads {"file": PATH, "texts": [TEXT], "wholeEvery": N} from standard input; writes [[ORDINARY, DECODED, WHOLE] for each TEXT]: ids where
special tokens are text, what these say as text, and of one text in N, ids where special tokens are themselves.
"""
import json, sys
from tokenizers import Tokenizer

asked = json.load(sys.stdin)
tokenizer = Tokenizer.from_file(asked['file'])
tokenizer.no_truncation()
tokenizer.no_padding()


def encode(text, special_is_text):
    tokenizer.encode_special_tokens = special_is_text
    return tokenizer.encode(text, add_special_tokens=False).ids


made = []
for i, text in enumerate(asked['texts']):
    ordinary = encode(text, True)
    whole = encode(text, False) if i % asked['wholeEvery'] == 0 else None
    made.append([ordinary, tokenizer.decode(ordinary, skip_special_tokens=False), whole])
json.dump(made, sys.stdout)
