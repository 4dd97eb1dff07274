/** Configurations written as data: JSON, with comments where a person likes them, and YAML. */
import { parse as parseCommented, printParseErrorCode, visit, type ParseError } from 'jsonc-parser';
import { LineCounter, parseDocument } from 'yaml';
import { requireShallow } from '../ir/parse_json.js';

/** How text of a format becomes a value. What is not of the format is thrown as an `Error` that says where. */
type Parse = (text: string) => unknown;

const formats: Readonly<Record<string, Parse>> = {
  '.json': parseJsonText,
  '.jsonc': parseJsonText,
  '.yaml': parseYamlText,
  '.yml': parseYamlText,
};

/** How a file that ends in `extension` is read; null where no data is. */
export const formatOf = (extension: string): Parse | null => formats[extension.toLowerCase()] ?? null;

/** JSON, with comments and commas behind the last. A field that is written twice is refused: one of the two would be passed over. */
export function parseJsonText(text: string): unknown {
  const json = text.replace(/^\uFEFF/, '');
  const value = parsed(json);
  refuseRepeated(json);
  return requireShallow(value);
}

function parsed(json: string): unknown {
  try {
    // Plain JSON as everybody reads it: also a field that is called as an object's prototype is.
    return JSON.parse(json);
  } catch {
    return parsedCommented(json);
  }
}

function parsedCommented(json: string): unknown {
  const errors: ParseError[] = [];
  const value: unknown = parseCommented(json, errors, { allowTrailingComma: true });
  const [error] = errors;
  if (!error) return value;
  throw new SyntaxError(`it is not JSON: ${jsonProblem(error)} at ${placeIn(json, error.offset)}${yamlHint(json)}`);
}

/** `ValueExpected` as `value expected`. */
const jsonProblem = ({ error }: ParseError): string =>
  printParseErrorCode(error)
    .replace(/(?!^)[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .toLowerCase();

function yamlHint(text: string): string {
  const document = parseDocument(text);
  const isYaml = document.errors.length === 0 && typeof document.toJS() === 'object' && document.toJS() !== null;
  return isYaml ? '; it is YAML: call it .yaml' : '';
}

/** `line 3, column 7` of an offset. */
function placeIn(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  return `line ${before.length}, column ${before.at(-1)!.length + 1}`;
}

/** Throws where an object has a field twice. */
function refuseRepeated(text: string): void {
  const open: Set<string>[] = [];
  visit(
    text,
    {
      onObjectBegin: () => void open.push(new Set()),
      onObjectEnd: () => void open.pop(),
      onObjectProperty: (name, offset) => {
        if (open.at(-1)?.has(name))
          throw new SyntaxError(`'${name}' is written twice, again at ${placeIn(text, offset)}`);
        open.at(-1)?.add(name);
      },
    },
    { allowTrailingComma: true },
  );
}

/** YAML 1.2, whose `1e-3` is a number and whose `no` is a string; JSON is YAML too. */
function parseYamlText(text: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  // A tag that is not known is a warning there; what it asks for would be passed over.
  const [error] = [...document.errors, ...document.warnings];
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw new SyntaxError(`it is not YAML: ${error.message} at line ${line}, column ${col}`);
  }
  return requireShallow(document.toJS() as unknown);
}
