/** Reading graphs in the grammar of `print.ts`. Errors name the line: these are our own files, and tests. */
import { GraphBuilder } from './builder.js';
import type { Attributes, AttributeValue, Graph, InputKind, Phase, Source } from './graph.js';
import { opNamed, type OpRegistry } from './op.js';
import { gradientRole, parameterRole, resultRole, roleOfInput, stateRole, type Role } from './role.js';
import type { Tensor } from './tensor.js';
import { parseType, type TensorType } from './type.js';

/**
 * Reads a graph. Each node is bound anew, so its rule is the op's; its types are those printed, which passes may have changed (a partial
 * sum in a wider type).
 */
export function parseGraph(text: string, registry: OpRegistry): Graph {
  const lines = text
    .split('\n')
    .map((line, i) => new Line(line.trim(), i + 1))
    .filter((line) => line.more());
  const head = lines.shift();
  if (!head) throw new Error('no graph: the text is empty');
  head.expect('func');
  head.expect('@');
  const builder = new GraphBuilder(registry, head.word());
  const values = new Map<string, Tensor>();
  const input = (line: Line) => {
    const name = line.value();
    line.expect(':');
    const kind = line.word();
    const plain = name.startsWith('"') ? (JSON.parse(name) as string) : name;
    const role = readRole(line, kind) ?? roleOfInput(plain, kind as Exclude<InputKind, 'state'>);
    values.set(name, builder.take(role, line.type()));
    line.accept(',');
  };
  head.expect('(');
  while (head.more() && !head.sees(')')) input(head);
  let line = head;
  while (!line.sees(')')) {
    line = lines.shift() ?? line.fail("')'");
    while (line.more() && !line.sees(')')) input(line);
  }
  line.expect(')');
  line.expect('{');

  for (const node of lines) {
    if (node.sees('return')) {
      node.expect('return');
      while (node.more()) {
        const name = node.word();
        const role = readRole(node, name) ?? resultRole(name);
        node.expect('=');
        builder.output(role, node.read(values));
        node.accept(',');
      }
      return builder.build();
    }
    readNode(node, builder, registry, values);
  }
  throw new Error("no 'return': the text ends within the graph");
}

/** What follows the first word of a role; null where that word is none's. */
function readRole(line: Line, first: string): Role | null {
  const slot = first === 'state' && !line.sees('=') ? line.word() : null;
  if (!line.accept('of')) return null;
  const of = line.word();
  if (slot !== null) return stateRole(of, slot);
  return first === 'parameter' ? parameterRole(of) : gradientRole(of, line.accept('@') ? Number(line.number()) : null);
}

function readNode(line: Line, builder: GraphBuilder, registry: OpRegistry, values: Map<string, Tensor>): void {
  const names: string[] = [];
  do names.push(line.value());
  while (line.accept(','));
  line.expect('=');
  const op = line.word();
  line.expect('(');
  const operands: Tensor[] = [];
  while (!line.accept(')')) {
    const tensor = line.read(values);
    operands.push(line.accept('<') ? tensor.as(line.until('>').split(' ').filter(Boolean)) : tensor);
    line.accept(',');
  }
  const attributes = line.accept('{') ? readAttributes(line) : {};
  line.expect(':');
  const types: TensorType[] = [];
  do types.push(line.type());
  while (line.accept(','));
  const source: Source = line.accept(';')
    ? { path: line.place(), phase: line.word() as Phase, segment: line.place() }
    : { path: '', phase: 'forward', segment: '' };
  const from = line.accept('from') ? Number(line.number()) : null;

  const { rule } = opNamed(registry, op).bind({
    operands: operands.map((t) => t.type),
    names: operands.map((t) => t.names),
    attributes,
  });
  if (rule.results.length !== names.length || types.length !== names.length)
    line.fail(`${rule.results.length} results`);
  const inputs = operands.map((t) => t.id);
  const made = builder.push({ op, inputs, attributes, rule, source, from }, types);
  names.forEach((name, i) => values.set(name, builder.tensor(made.outputs[i])));
}

function readAttributes(line: Line): Attributes {
  const attributes: Record<string, AttributeValue> = {};
  while (!line.accept('}')) {
    const key = line.word();
    line.expect('=');
    attributes[key] = readAttribute(line);
    line.accept(',');
  }
  return attributes;
}

function readAttribute(line: Line): AttributeValue {
  if (line.accept('[')) {
    const list: (string | number)[] = [];
    while (!line.accept(']')) {
      list.push(readAttribute(line) as string | number);
      line.accept(',');
    }
    return list as readonly string[] | readonly number[];
  }
  if (line.accept('true')) return true;
  if (line.accept('false')) return false;
  const number = line.number();
  return number === null ? line.word() : Number(number);
}

/** A line being read from left to right; spaces between tokens mean nothing. */
class Line {
  private readonly text: string;
  private readonly line: number;
  private at = 0;

  constructor(text: string, line: number) {
    this.text = text;
    this.line = line;
  }

  more(): boolean {
    this.skipSpaces();
    return this.at < this.text.length;
  }

  sees(token: string): boolean {
    this.skipSpaces();
    return (
      this.text.startsWith(token, this.at) &&
      !(isWord(token) && /^[\w.*']/.test(this.text.slice(this.at + token.length)))
    );
  }

  accept(token: string): boolean {
    if (!this.sees(token)) return false;
    this.at += token.length;
    return true;
  }

  expect(token: string): void {
    if (!this.accept(token)) this.fail(`'${token}'`);
  }

  word(): string {
    const quoted = this.match(/"(?:[^"\\]|\\.)*"/y);
    if (quoted !== null) return JSON.parse(quoted) as string;
    return this.match(/[A-Za-z_][\w.*]*'*/y) ?? this.fail('a name');
  }

  /** A word, or `-` for nothing. */
  place(): string {
    return this.accept('-') ? '' : this.word();
  }

  /** The text of a number, or null where none stands here. */
  number(): string | null {
    return this.match(/-?(?:Infinity|NaN|\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?![\w.])/y);
  }

  /** The text of a value's name, quotes included: `0` is a result, `"0"` an input of that name. */
  value(): string {
    this.expect('%');
    return this.match(/\d+|[A-Za-z_][\w.*]*'*|"(?:[^"\\]|\\.)*"/y) ?? this.fail('a value');
  }

  read(values: ReadonlyMap<string, Tensor>): Tensor {
    const name = this.value();
    return values.get(name) ?? this.fail(`a value made before; there is no %${name}`);
  }

  type(): TensorType {
    return parseType(this.match(/\w+\[[^\]]*\]/y) ?? this.fail('a type'));
  }

  until(token: string): string {
    const end = this.text.indexOf(token, this.at);
    if (end < 0) this.fail(`'${token}'`);
    const text = this.text.slice(this.at, end);
    this.at = end + token.length;
    return text;
  }

  fail(wanted: string): never {
    throw new Error(`line ${this.line}, column ${this.at + 1}: expected ${wanted} in '${this.text}'`);
  }

  private match(pattern: RegExp): string | null {
    this.skipSpaces();
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) return null;
    this.at += found[0].length;
    return found[0];
  }

  private skipSpaces(): void {
    while (this.text[this.at] === ' ') this.at++;
  }
}

const isWord = (token: string): boolean => /^\w/.test(token);
