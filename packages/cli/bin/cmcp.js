#!/usr/bin/env node
// Old syntax and no import on purpose: an older Node must be able to read this file, to say that it is too old.
var needed = 24;
var found = process.versions.node;

// Before anything else: without a listener, this signal starts the inspector, and who connects to it can run code here.
process.on('SIGUSR1', () => {});

if (parseInt(found, 10) >= needed) {
  import('../dist/main.js').then((cli) => cli.run(process));
} else {
  console.error(
    'cmcp needs Node.js ' +
      needed +
      ' or newer and this is ' +
      found +
      '. Install it from https://nodejs.org/ and run the command again.',
  );
  process.exit(3);
}
