/** Which token stands between documents. */
import { separatorMissing } from './diagnostics.js';
import type { Tokenizer } from './tokenizer_interface.js';
import type { AddedToken, TokenizerJson } from './tokenizer_json.js';

/** What models call the token between documents, in the order tried. */
const usualNames = [
  '<|endoftext|>',
  '<|end_of_text|>',
  '</s>',
  '<eos>',
  '<|eos|>',
  '<｜end▁of▁sentence｜>',
  '[EOS]',
  '<|im_end|>',
  '[SEP]',
];

/** Of a special token that has none of the usual names. */
const endName = /\beos\b|end.?of.?(text|document|sentence|sequence)/i;

/**
 * The id that separates documents: that of `name`; else of the special token that the file itself puts after a text, of a special one
 * with a usual name, of one whose name says that something ends. An added token that is not special is part of texts, as `</s>` is HTML
 * to some models, and separates nothing unless it is named.
 * @throws data/no-separator-token.
 */
export function separatorId(tokenizer: Tokenizer, name?: string, file = 'tokenizer.json'): number {
  const added = tokenizer.json.added_tokens ?? [];
  const special = added.filter(({ special }) => special).map(({ content }) => content);
  const tried = name === undefined ? namesTried(tokenizer, added, special) : [name];
  for (const token of tried) {
    const id = tokenizer.idOf(token);
    if (id !== null) return id;
  }
  throw separatorMissing({ file, tried: name === undefined ? usualNames : tried, special });
}

function namesTried({ json }: Tokenizer, added: readonly AddedToken[], special: readonly string[]): readonly string[] {
  const after = putAfterText(json.post_processor);
  const ordinary = new Set(added.filter(({ special }) => !special).map(({ content }) => content));
  return [
    ...(after !== null && special.includes(after) ? [after] : []),
    ...usualNames.filter((token) => special.includes(token)),
    ...special.filter((token) => endName.test(token)),
    // In an older file the vocabulary alone may have it.
    ...usualNames.filter((token) => !ordinary.has(token)),
  ];
}

/** The token that a post-processor puts at the end of one text; null where it puts none there. */
function putAfterText(processor: TokenizerJson['post_processor']): string | null {
  const { type, processors, single, sep } = fieldsOf(processor);
  switch (type) {
    case 'Sequence':
      return Array.isArray(processors)
        ? processors.reduce((found: string | null, one) => putAfterText(one) ?? found, null)
        : null;
    case 'TemplateProcessing': {
      const last: unknown = Array.isArray(single) ? single.at(-1) : null;
      const { id } = fieldsOf(fieldsOf(last).SpecialToken);
      return typeof id === 'string' ? id : null;
    }
    case 'BertProcessing':
    case 'RobertaProcessing': {
      const token: unknown = Array.isArray(sep) ? sep[0] : null;
      return typeof token === 'string' ? token : null;
    }
    default:
      return null;
  }
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
