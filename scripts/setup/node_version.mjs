/** Stops early, in words that any Node prints, where this one is too old. */
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 13)) {
  console.error(
    'flotilla needs Node 20.13 or newer; this is ' +
      process.versions.node +
      '. Install a newer one (nodejs.org, nvm, fnm).',
  );
  process.exit(1);
}
