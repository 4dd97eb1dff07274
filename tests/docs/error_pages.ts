/** docs/errors/: one page a folder, one section a diagnostic, read off the factories in the source. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

export interface DocumentedError {
  readonly code: string;
  /** Texts as the factory states them; what is filled in stands in ‹›. */
  readonly what: string;
  readonly why: string | null;
  readonly fix: string;
}

/** Every diagnostic that the sources under `root/src` declare, by code. */
export function declaredErrors(root: string): readonly DocumentedError[] {
  const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (file) => /diagnostics\.ts$/.test(file) && !file.endsWith('.test.ts'),
  );
  return files
    .flatMap((file) => errorsOf(path.join(root, 'src', file)))
    .sort((a, b) => (a.code < b.code ? -1 : a.code > b.code ? 1 : 0));
}

/** Folder → Markdown. */
export function errorPages(errors: readonly DocumentedError[]): ReadonlyMap<string, string> {
  const folders = new Map<string, DocumentedError[]>();
  for (const error of errors) {
    const folder = error.code.split('/')[0];
    folders.set(folder, [...(folders.get(folder) ?? []), error]);
  }
  return new Map([...folders].map(([folder, list]) => [folder, page(folder, list)]));
}

function page(folder: string, errors: readonly DocumentedError[]): string {
  const sections = errors.map(
    ({ code, what, why, fix }) =>
      `## ${code}\n\n${what}.\n${why ? `\n**Why.** ${why}.\n` : ''}\n**What to do.** ${fix}.\n`,
  );
  return `# Errors of ${folder}/\n\nWhat is filled in stands in ‹›.\n\n${sections.join('\n')}`;
}

function errorsOf(file: string): DocumentedError[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const found: DocumentedError[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && node.expression.getText() === 'defineDiagnostic') {
      const [code, factory] = node.arguments;
      if (ts.isStringLiteralLike(code)) {
        const text = (name: string) => property(factory, name);
        found.push({
          code: code.text,
          what: text('what') ?? '‹what happened›',
          why: text('why'),
          fix: text('fix') ?? '‹what to do›',
        });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function property(node: ts.Node, name: string): string | null {
  let found: string | null = null;
  const visit = (child: ts.Node): void => {
    if (found === null && ts.isPropertyAssignment(child) && child.name.getText() === name)
      found = words(child.initializer);
    else if (found === null && ts.isShorthandPropertyAssignment(child) && child.name.getText() === name)
      found = `‹${name}›`;
    else ts.forEachChild(child, visit);
  };
  visit(node);
  return found;
}

/** A string expression as text: what is not literal stands in ‹›. */
function words(node: ts.Expression): string {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) {
    return node.head.text + node.templateSpans.map((span) => `${hole(span.expression)}${span.literal.text}`).join('');
  }
  if (ts.isConditionalExpression(node)) return `${words(node.whenTrue)}, or ${words(node.whenFalse)}`;
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken)
    return words(node.left) + words(node.right);
  return hole(node);
}

const hole = (node: ts.Expression): string => {
  if (ts.isCallExpression(node) && node.expression.getText() === 'counted') {
    const [count, noun, plural] = node.arguments;
    return `${hole(count)} ${words(noun)}${plural ? words(plural) : 's'}`;
  }
  const last = [...node.getText().matchAll(/[a-zA-Z_]\w*/g)]
    .map((m) => m[0])
    .find((word) => word !== 'p' && word !== 'String');
  return `‹${last ?? '…'}›`;
};
