/**
 * Globs over '/'-separated paths: `*` within a name, `**` across folders, `?` one character, `[a-z]` a class, `{a,b}` a choice.
 * Node 20 has no glob of its own, and a hundred lines of dependency would do no more.
 */
import { globBad } from './diagnostics.js';
import { withinTime } from './within_time.js';

/** Whether a pattern has anything to expand. */
export function isGlob(pattern: string): boolean {
  return /[*?[{]/.test(pattern);
}

/** The part of a pattern before its first wildcard, up to a whole folder: `corpus/en/**` → `corpus/en`, `*.md` → ``. */
export function globBase(pattern: string): string {
  const names: string[] = [];
  for (const name of pattern.split('/').slice(0, -1)) {
    if (isGlob(name)) break;
    names.push(name);
  }
  return names.join('/') || (pattern.startsWith('/') ? '/' : '');
}

/** Whether a path is one that a pattern means. Throws `data/glob-bad` where the pattern, or matching it, has no end. */
export function globMatcher(pattern: string): (path: string) => boolean {
  let expression: RegExp;
  try {
    expression = globToRegExp(pattern);
  } catch (error) {
    throw globBad({ pattern, reason: (error as Error).message }, { cause: error });
  }
  // A few wildcards in a row match in time; with many, the ways to match a long name are more than can be tried.
  if (pattern.split('*').length <= fewWildcards && !pattern.includes('{')) return (path) => expression.test(path);
  return (path) => {
    const tested = withinTime(1000, () => expression.test(path));
    if (tested === null) throw globBad({ pattern, reason: `it has not been matched with '${path}' after 1 s` });
    return tested.value;
  };
}

const fewWildcards = 6;

/** The regular expression that matches exactly the paths a pattern means. */
export function globToRegExp(pattern: string): RegExp {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const rest = pattern.slice(i);
    if (rest.startsWith('**/')) {
      source += '(?:[^/]+/)*'; // any number of folders, none included
      i += 2;
    } else if (rest.startsWith('**')) {
      source += '.*';
      i += 1;
    } else if (pattern[i] === '*') source += '[^/]*';
    else if (pattern[i] === '?') source += '[^/]';
    else if (pattern[i] === '{' && pattern.indexOf('}', i) > 0) {
      const end = pattern.indexOf('}', i);
      const choices = pattern.slice(i + 1, end).split(',');
      source += `(?:${choices.map((choice) => globToRegExp(choice).source.slice(1, -1)).join('|')})`;
      i = end;
    } else if (pattern[i] === '[' && pattern.indexOf(']', i + 2) > 0) {
      const end = pattern.indexOf(']', i + 2);
      source += `[${pattern
        .slice(i + 1, end)
        .replace(/^!/, '^')
        .replace(/\\/g, '\\\\')}]`;
      i = end;
    } else source += pattern[i].replace(/[.+^$()|[\]{}\\/]/, '\\$&');
  }
  return new RegExp(`^${source}$`, 'su');
}
