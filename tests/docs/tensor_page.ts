/** docs/tensor.md: what model code can call on a tensor, made of the class. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

const file = 'src/ir/tensor.ts';

export interface TensorMember {
  readonly name: string;
  /** `sum(over)`; of what is no method, its name. */
  readonly call: string;
  readonly about: string;
}

/** The public methods and getters of Tensor, in the order of the class. Throws where one says nothing of itself. */
export function tensorMembers(root: string): readonly TensorMember[] {
  const source = ts.createSourceFile(file, readFileSync(path.join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const found = source.statements.find(
    (statement): statement is ts.ClassDeclaration =>
      ts.isClassDeclaration(statement) && statement.name?.text === 'Tensor',
  );
  if (!found) throw new Error(`${file} declares no class Tensor`);
  return found.members.filter(isPublic).map((member) => {
    const name = member.name.getText();
    const about = aboutOf(member);
    if (about === '') throw new Error(`${file}: ${name} has no docstring`);
    return { name, call: ts.isMethodDeclaration(member) ? `${name}(${parametersOf(member)})` : name, about };
  });
}

export const tensorPage = (root: string): string =>
  [
    '# What a tensor can do',
    `Model code calls these on a \`Tensor\`; each gives a new one, and computes nothing yet. Arithmetic goes by name: a factor that one of two
operands lacks is broadcast. \`other\` is a tensor or a number. \`names\`, \`to\` and \`over\` are names of factors in a string, \`'batch sequence'\`, or a list. [write-a-model.md](write-a-model.md) shows them at work; every other op is
called by its name, \`x.apply('gelu')\`, as its page in [ops/](ops/einsum.md) says. The class is [${file}](../${file}).`,
    ['| call | what it gives |', '| --- | --- |']
      .concat(tensorMembers(root).map(({ call, about }) => `| \`${call}\` | ${about.replaceAll('|', '\\|')} |`))
      .join('\n'),
    '',
  ].join('\n\n');

type Shown = ts.MethodDeclaration | ts.GetAccessorDeclaration;

const isPublic = (member: ts.ClassElement): member is Shown =>
  (ts.isMethodDeclaration(member) || ts.isGetAccessorDeclaration(member)) &&
  !(ts.getCombinedModifierFlags(member) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected));

function parametersOf({ parameters }: ts.MethodDeclaration): string {
  const named = parameters.filter(({ name }) => name.getText() !== 'this');
  return named.map((one) => `${one.name.getText()}${one.questionToken || one.initializer ? '?' : ''}`).join(', ');
}

/** The docstring in one line. */
function aboutOf(member: Shown): string {
  const [doc] = ts.getJSDocCommentsAndTags(member);
  const comment = doc === undefined ? '' : (ts.getTextOfJSDocComment(doc.comment) ?? '');
  return comment.replace(/\s+/g, ' ').trim();
}
