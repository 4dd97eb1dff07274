/** The table of events in docs/train.md is what `TrainEventBody` declares. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const root = new URL('../..', import.meta.url);
const file = fileURLToPath(new URL('src/train/events.ts', root));

test('docs/train.md lists every event of a run, with its fields', () => {
  const page = readFileSync(new URL('docs/train.md', root), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` +\|[^|]*\|([^|]*)\|$/gm)].filter(([, kind]) => kind in declared);
  const listed = Object.fromEntries(
    rows.map(([, kind, fields]) => {
      // What stands in brackets, and behind a colon, explains.
      const names = fields.replace(/\([^)]*\)/g, '').split(':')[0];
      return [kind, [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name)];
    }),
  );
  expect(listed).toEqual(declared);
});

/** Fields by kind, in the order of the type. */
const declared = declaredEvents();

function declaredEvents(): Readonly<Record<string, readonly string[]>> {
  const program = ts.createProgram([file], { skipLibCheck: true, strict: true, noLib: true });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file)!;
  const body = source.statements.find(
    (one): one is ts.TypeAliasDeclaration => ts.isTypeAliasDeclaration(one) && one.name.text === 'TrainEventBody',
  )!;
  const type = checker.getTypeAtLocation(body.name) as ts.UnionType;
  return Object.fromEntries(
    type.types.map((member) => {
      const names = member.getProperties().map(({ name }) => name);
      const kind = checker.getTypeOfSymbol(member.getProperty('kind')!) as ts.StringLiteralType;
      return [kind.value, names.filter((name) => name !== 'kind')];
    }),
  );
}
