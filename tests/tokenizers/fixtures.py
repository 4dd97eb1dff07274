"""Makes small tokenizer.json files of the kinds that are published, with the reference library itself.

    python fixtures.py FOLDER

Trained on the text below: what is published has a thousand times as many tokens, and the same parts.
"""
import json, os, struct, sys
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXT = """The river runs below the mill, and the mill's wheel turns by day and by night. It isn't far: we'll walk there, they said, 12 or 13 miles.
I've seen 1,234,567 stars; you'd have seen 3.14 of them! "Unbelievable," she said, running. CamelCase and snake_case, a_b == c != d // note
def f(x):\n    return x + 1\n\n\tif (a && b) { return; }\r\n  <br> http://example.org/a?b=c#d user@example.org
Größe und Straße über den Fluß; l'été à la café naïve; İstanbul ısı; ΑΒΓ αβγ Σς; привет мир, ПРИВЕТ МИР; 日本語の文字と中文字; 한국어 글자; नमस्ते दुनिया; العربية לעברית; ไทย.
½ ² ① Ⅷ ٣٤٥ १२३ … — “quoted” ‘single’ 🙂 👩‍👩‍👧 ﬁne oﬃce Ａ１ ｱ ℃ e\u0301 a\u0308
""".split('\n') * 3

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = GPT4.replace(r'\p{N}{1,3}', r'\p{N}')
MADE = {}


def special(*names, **fields):
    return [AddedToken(name, special=True, normalized=False, **fields) for name in names]


def ordinary(*names, **fields):
    return [AddedToken(name, **{'special': False, 'normalized': False, **fields}) for name in names]


def kind(make):
    MADE[make.__name__] = make
    return make


def byte_bpe(pre, *, normalizer=None, vocab=380, first=(), **model):
    t = Tokenizer(models.BPE(**model))
    if normalizer: t.normalizer = normalizer
    t.pre_tokenizer, t.decoder = pre, decoders.ByteLevel()
    t.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=vocab, min_frequency=2, initial_alphabet=BYTES, special_tokens=list(first), show_progress=False))
    return t


def byte_level(**fields):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, **fields)


def split_then_bytes(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), 'isolated'), byte_level(use_regex=False)])


@kind
def gpt2():
    t = byte_bpe(byte_level(), first=[AddedToken('<|endoftext|>', special=True, normalized=True)])
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


@kind
def roberta():
    t = byte_bpe(byte_level(), first=special('<s>', '<pad>', '</s>', '<unk>'))
    t.add_special_tokens(special('<mask>', lstrip=True))
    t.post_processor = processors.RobertaProcessing(('</s>', 2), ('<s>', 0), trim_offsets=True, add_prefix_space=False)
    return t


@kind
def whisper():
    t = byte_bpe(byte_level(), first=special('<|endoftext|>'))
    t.add_special_tokens(special('<|startoftranscript|>', '<|en|>', '<|notimestamps|>'))
    t.add_tokens(ordinary(*[f'<|{i / 50:.2f}|>' for i in range(0, 40)]))
    t.post_processor = processors.TemplateProcessing('<|startoftranscript|> <|notimestamps|> $A <|endoftext|>', special_tokens=[(s, t.token_to_id(s)) for s in ('<|startoftranscript|>', '<|notimestamps|>', '<|endoftext|>')])
    return t


@kind
def llama3():
    t = byte_bpe(split_then_bytes(GPT4), ignore_merges=True)
    # A word that merges do not reach: ignore_merges finds it.
    vocab = t.get_vocab(); vocab['Ġunreachable'] = len(vocab); vocab['river'] = vocab.get('river', len(vocab))
    j = json.loads(t.to_str()); j['model']['vocab'] = vocab
    t = Tokenizer.from_str(json.dumps(j))
    t.add_special_tokens(special('<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>', *[f'<|reserved_special_token_{i}|>' for i in range(5)]))
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing('<|begin_of_text|> $A', special_tokens=[('<|begin_of_text|>', t.token_to_id('<|begin_of_text|>'))])])
    return t


@kind
def qwen2():
    t = byte_bpe(split_then_bytes(QWEN), normalizer=normalizers.NFC())
    t.add_special_tokens(special('<|endoftext|>', '<|im_start|>', '<|im_end|>'))
    t.add_tokens(ordinary('<tool_call>', '</tool_call>', '<|fim_prefix|>'))
    return t


@kind
def neox():
    """As GPT-NeoX and Phi: runs of spaces are added tokens, numbered after a special one."""
    t = byte_bpe(byte_level(), normalizer=normalizers.NFC(), first=special('<|endoftext|>', '<|padding|>'))
    t.add_special_tokens(special('<|extra|>'))
    t.add_tokens([AddedToken(' ' * n, normalized=True) for n in range(12, 1, -1)])
    t.add_tokens([AddedToken('</s>', rstrip=True, normalized=False), AddedToken('river', single_word=True, normalized=True)])
    return t


@kind
def deepseek():
    t = byte_bpe(pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r'[\r\n]'), 'isolated'),
        pre_tokenizers.Split(Regex(r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+"), 'isolated'),
        pre_tokenizers.Split(Regex(r'\s?[!-/:-~！-／：-～‘-‟　-。]+'), 'isolated'),
        pre_tokenizers.Split(Regex(r'\s+$'), 'isolated'),
        pre_tokenizers.Split(Regex(r'[一-龥ࠀ-一가-퟿]+'), 'isolated'),
        pre_tokenizers.Digits(individual_digits=True),
        byte_level(use_regex=False)]))
    t.add_special_tokens(special('<｜begin▁of▁sentence｜>', '<｜end▁of▁sentence｜>'))
    t.add_tokens([AddedToken('<|User|>', normalized=True), AddedToken('ø', normalized=True), AddedToken('ö', normalized=True)])
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


@kind
def falcon():
    return byte_bpe(pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation('contiguous'), byte_level(), pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.Split(Regex('[0-9][0-9][0-9]'), 'isolated')]), first=special('<|endoftext|>', '>>TITLE<<'))


@kind
def clip():
    t = Tokenizer(models.BPE(unk_token='<|endoftext|>', end_of_word_suffix='</w>', continuing_subword_prefix='', fuse_unk=False))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r'\s+'), ' '), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), 'removed', invert=True), byte_level()])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=640, initial_alphabet=BYTES, end_of_word_suffix='</w>', special_tokens=special('<|startoftext|>', '<|endoftext|>'), show_progress=False))
    t.post_processor = processors.RobertaProcessing(('<|endoftext|>', 1), ('<|startoftext|>', 0), trim_offsets=False, add_prefix_space=False)
    return t


SPM_DECODER = lambda *more: decoders.Sequence([decoders.Replace('▁', ' '), decoders.ByteFallback(), decoders.Fuse(), *more])


def spm_bpe(normalizer, pre, first, vocab=900, **fields):
    """As a conversion of a SentencePiece model: bytes for what it lacks, spaces as '▁'."""
    t = Tokenizer(models.BPE(unk_token='<unk>', fuse_unk=True))
    if normalizer: t.normalizer = normalizer
    t.pre_tokenizer = pre or pre_tokenizers.Split(Regex(r'(?=▁)'), 'isolated')
    names = [*first, *[f'<0x{b:02X}>' for b in range(256)]]
    t.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=vocab, limit_alphabet=120, special_tokens=names, show_progress=False))
    j = json.loads(t.to_str())
    j['model'].update(byte_fallback=True, **fields)
    j['added_tokens'] = [token for token in j['added_tokens'] if token['content'] in first]
    if not pre: j['pre_tokenizer'] = None
    return Tokenizer.from_str(json.dumps(j))


@kind
def llama2():
    t = spm_bpe(normalizers.Sequence([normalizers.Prepend('▁'), normalizers.Replace(' ', '▁')]), None, ['<unk>', '<s>', '</s>'])
    t.decoder = SPM_DECODER(decoders.Strip(' ', 1, 0))
    t.post_processor = processors.TemplateProcessing('<s> $A', '<s> $A <s>:1 $B:1', special_tokens=[('<s>', 1)])
    return t


@kind
def mistral():
    t = spm_bpe(None, pre_tokenizers.Metaspace('▁', prepend_scheme='first', split=False), ['<unk>', '<s>', '</s>', '[INST]', '[/INST]'], ignore_merges=True)
    t.decoder = SPM_DECODER(decoders.Strip(' ', 1, 0))
    return t


@kind
def gemma():
    t = spm_bpe(normalizers.Replace(' ', '▁'), pre_tokenizers.Split('▁', 'merged_with_previous'), ['<pad>', '<eos>', '<bos>', '<unk>'])
    j = json.loads(t.to_str())
    # Tags and runs of white space are ordinary tokens.
    vocab = j['model']['vocab']
    for name in ['<mask>', '<start_of_turn>', '\n\n', '\n\n\n', '▁▁', '▁▁▁', '<h1>', '</h1>', '</s>', '<br>']: vocab.setdefault(name, len(vocab))
    t = Tokenizer.from_str(json.dumps(j))
    t.add_special_tokens(special('<start_of_turn>'))
    t.add_tokens(ordinary('<mask>', '\n\n', '\n\n\n', '▁▁', '▁▁▁', '<h1>', '</h1>', '</s>', '<br>'))
    t.decoder = SPM_DECODER()
    return t


@kind
def bert():
    t = Tokenizer(models.WordPiece(unk_token='[UNK]', max_input_chars_per_word=100))
    t.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece('##', cleanup=True)
    t.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=450, limit_alphabet=150, special_tokens=special('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'), show_progress=False))
    t.post_processor = processors.TemplateProcessing('[CLS] $A [SEP]', '[CLS] $A [SEP] $B:1 [SEP]:1', special_tokens=[('[CLS]', 2), ('[SEP]', 3)])
    return t


@kind
def bert_cased():
    t = bert()
    t.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    t.decoder = decoders.WordPiece('##', cleanup=False)
    t.enable_truncation(8)
    t.enable_padding(length=12, pad_id=0, pad_token='[PAD]')
    return t


def charsmap():
    """A SentencePiece character map as its `nmt_nfkc` rules begin: a double array (Darts), then the replacements."""
    import unicodedata
    rules = {'\u200b': ' ', '\u00a0': ' ', '\u3000': ' ', '\t': ' ', '\n': ' ', '\r': ' ', '\u00ad': '', '\ufeff': '', '\u0001': '', '\u2028': ' ', 'e\u0301': 'é', 'a\u0308': 'ä'}
    for c in '½²①Ⅷﬁﬃ℃㍍ｱＡ１ﷺ𝒳𝟙…': rules[c] = unicodedata.normalize('NFKC', c)
    texts, value = b'', {}
    for source, target in rules.items():
        value[source.encode()] = len(texts)
        texts += target.encode() + b'\0'
    prefixes = sorted({key[:n] for key in value for n in range(len(key) + 1)})
    base, taken = {}, {0}
    # The bytes that may follow a prefix, and 0 where it is a source itself, stand at `base ^ byte`: the first base that has them all free.
    for prefix in prefixes:
        places = [p[-1] for p in prefixes if p and p[:-1] == prefix] + [0] * (prefix in value)
        base[prefix] = next(b for b in range(1, 1 << 20) if b not in base.values() and not any(b ^ place in taken for place in places))
        taken |= {base[prefix] ^ place for place in places}
    array = [0] * (256 * (max(base.values()) // 256 + 1))
    for prefix in prefixes:
        at = base[prefix[:-1]] ^ prefix[-1] if prefix else 0
        array[at] = (at ^ base[prefix]) << 10 | (prefix in value) << 8 | (prefix[-1] if prefix else 0)
        if prefix in value: array[base[prefix]] = value[prefix] | 1 << 31
    trie = struct.pack(f'<{len(array)}I', *array)
    return struct.pack('<I', len(trie)) + trie + texts


def unigram(normalizer, pre, first, decoder, vocab=500, **model):
    t = Tokenizer(models.Unigram())
    if normalizer: t.normalizer = normalizer
    t.pre_tokenizer, t.decoder = pre, decoder
    t.train_from_iterator(TEXT, trainers.UnigramTrainer(vocab_size=vocab, unk_token='<unk>', special_tokens=special(*first), show_progress=False))
    j = json.loads(t.to_str())
    j['model'].update(model)
    return Tokenizer.from_str(json.dumps(j))


@kind
def t5():
    t = unigram(normalizers.Precompiled(charsmap()), pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]), ['<pad>', '</s>', '<unk>'], decoders.Metaspace())
    t.add_special_tokens(special(*[f'<extra_id_{i}>' for i in range(20)]))
    t.post_processor = processors.TemplateProcessing('$A </s>', special_tokens=[('</s>', 1)])
    return t


@kind
def albert():
    t = unigram(normalizers.Sequence([normalizers.Replace('``', '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Precompiled(charsmap()), normalizers.Replace(Regex(' {2,}'), ' ')]),
                pre_tokenizers.Metaspace('▁', prepend_scheme='always'), ['<pad>', '<unk>', '[CLS]', '[SEP]'], decoders.Metaspace('▁', prepend_scheme='always'))
    t.add_special_tokens([AddedToken('[MASK]', special=True, lstrip=True, normalized=False)])
    t.post_processor = processors.TemplateProcessing('[CLS] $A [SEP]', special_tokens=[('[CLS]', 2), ('[SEP]', 3)])
    return t


@kind
def unigram_bytes():
    names = ['<unk>', '</s>', *[f'<0x{b:02X}>' for b in range(256)]]
    t = unigram(normalizers.Nmt(), pre_tokenizers.Metaspace('▁', prepend_scheme='first'), names, SPM_DECODER(decoders.Strip(' ', 1, 0)), vocab=700, byte_fallback=True)
    j = json.loads(t.to_str())
    j['added_tokens'] = j['added_tokens'][:2]
    return Tokenizer.from_str(json.dumps(j))


@kind
def word_level():
    t = Tokenizer(models.WordLevel(unk_token='<unk>'))
    t.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.NFKC(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.train_from_iterator(TEXT, trainers.WordLevelTrainer(vocab_size=200, special_tokens=special('<unk>', '<eos>'), show_progress=False))
    return t


@kind
def subword_prefix():
    """BPE whose pieces inside a word have a prefix, with unknown characters side by side as one."""
    t = Tokenizer(models.BPE(unk_token='[UNK]', continuing_subword_prefix='##', fuse_unk=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    t.decoder = decoders.WordPiece('##', cleanup=True)
    t.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=300, limit_alphabet=60, continuing_subword_prefix='##', special_tokens=special('[UNK]', '[SEP]'), show_progress=False))
    return t


if __name__ == '__main__':
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, make in MADE.items():
        text = json.dumps(json.loads(make().to_str()), ensure_ascii=False, separators=(',', ':'))
        with open(os.path.join(folder, f'{name}.json'), 'w', encoding='utf-8') as file: file.write(text)
        print(name, len(text))
