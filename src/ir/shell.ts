/** A path as a shell takes it for one word, in commands that messages offer. */
export const shellWord = (path: string): string =>
  /^[\w./~@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
