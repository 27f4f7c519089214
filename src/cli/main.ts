#!/usr/bin/env node
// Nothing is imported before the version is known: an older Node fails in a module, in words that nobody understands.
const oldest = 24;
const major = Number(process.versions.node.split('.')[0]);
if (major < oldest) {
  process.stderr.write(
    `error: hotfire needs Node ${oldest} or newer, this is ${process.version} (${process.execPath}).\n` +
      'Install it, or beside the package: npm install node@24, then npx hotfire runs with that one.\n',
  );
  process.exitCode = 78;
} else {
  const { run } = await import('./run.ts');
  await run(process.argv);
}
