/** Stops early, in words that any Node prints, where this one is too old. */
const oldest = 20;
if (Number(process.versions.node.split('.')[0]) < oldest) {
  console.error(
    'flotilla needs Node ' +
      oldest +
      ' or newer; this is ' +
      process.versions.node +
      '. Install a newer one (nodejs.org, nvm, fnm).',
  );
  process.exit(1);
}
