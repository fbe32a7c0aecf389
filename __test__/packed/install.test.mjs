// What a person does in an empty directory: install, import, require, the six lines of the README.

import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { install, platformPackage, root, run, runProgram, runtimes, sixLines, withoutBinary } from './installed.mjs';

const REQUIRE = "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n";

for (const [version, node] of runtimes) {
  test(`Node ${version}`, async (t) => {
    const folder = await install(t, node);
    const { stdout } = await run(node, folder, ['--version']);
    assert.equal(stdout.trim(), `v${version}`);

    await t.test('nothing is installed but the two packages and eventemitter3', () => {
      const names = readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'));
      assert.deepEqual(names.sort(), ['eventemitter3', 'millrace', platformPackage]);
    });

    await t.test('the six lines of the README run as an ES module', async () => {
      assertPrinted(await runProgram(node, folder, 'six.mjs', sixLines()));
    });

    await t.test('the six lines of the README run as CommonJS', async () => {
      const required = sixLines().replace(/import (\{.*?\}) from ('millrace');/, 'const $1 = require($2);');
      assert.doesNotMatch(required, /import/);
      const [first, ...others] = required.split('\n');
      assertPrinted(await runProgram(node, folder, 'six.cjs', `${first}\n(async () => {\n${others.join('\n')}})();\n`));
    });

    await t.test('import and require in one process give the same classes', async () => {
      const { stdout } = await runProgram(node, folder, 'both.mjs', `${REQUIRE}${BOTH}`);
      assert.equal(stdout, 'the same\n');
    });

    await t.test('a program that requires first and imports later gets the same classes', async () => {
      const { stdout } = await runProgram(node, folder, 'both.cjs', BOTH_LATER);
      assert.equal(stdout, 'the same\n');
    });

    await t.test(
      'the examples run, but for the recorder, which needs FFmpeg, and the room, which never ends',
      async () => {
        const examples = readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.mjs'));
        for (const name of examples.filter((file) => !['recorder.mjs', 'room.mjs'].includes(file))) {
          cpSync(join(root, 'examples', name), join(folder, name));
          await run(node, folder, [name]);
        }
      },
    );

    await t.test('without the platform package, one sentence says what is missing and how to get it', async () => {
      const without = withoutBinary(t, folder);
      for (const load of ["await import('millrace')", `(${REQUIRE_CALL})('millrace')`]) {
        const { stdout } = await runProgram(node, without, 'missing.mjs', missingProgram(load));
        const [name, code, message] = JSON.parse(stdout);
        assert.deepEqual([name, code], ['AddonError', 'ERR_ADDON_MISSING']);
        assert.match(
          message,
          new RegExp(`needs the package ${platformPackage}, which is not installed: [^\\n]*npm install`),
        );
      }
    });
  });
}

/** What browsers need to connect. */
function assertPrinted({ stdout }) {
  for (const expected of ['usernameFragment', "protocol: 'udp'", 'fingerprints']) {
    assert.ok(stdout.includes(expected), `${expected} in:\n${stdout}`);
  }
}

/** A program that prints how loading ends; the class comes from a module that needs no binary. */
function missingProgram(load) {
  return `import { createRequire } from 'node:module';
import { AddonError } from 'millrace/errors';
try { ${load}; } catch (error) {
  console.log(JSON.stringify([error instanceof AddonError && error.name, error.code, error.message]));
}
`;
}

const REQUIRE_CALL = 'createRequire(import.meta.url)';

const EXPORTS = JSON.stringify(
  Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports).filter(
    (name) => !/json$/.test(name),
  ),
);

/** Compares each export of each entry, once imported and once required. */
const COMPARE = `for (const entry of ${EXPORTS}) {
  const specifier = entry.replace('.', 'millrace');
  const imported = await import(specifier);
  const required = require(specifier);
  const names = Object.keys(imported).filter((name) => name !== 'module.exports');
  if (names.length === 0 && entry !== './types') throw new Error(specifier + ' exports nothing');
  for (const name of names) if (imported[name] !== required[name]) throw new Error(specifier + ' has two of ' + name);
}
const { errors } = require('millrace');
const { errors: same } = await import('millrace');
if (errors.MillraceError !== same.MillraceError || errors.MillraceError !== require('millrace/errors').MillraceError) {
  throw new Error('two classes of errors');
}
console.log('the same');
`;

const BOTH = `import * as first from 'millrace';\nif (require('millrace').createWorker !== first.createWorker) throw new Error('two');\n${COMPARE}`;

const BOTH_LATER = `require('millrace');\n(async () => {\n${COMPARE}})();\n`;
