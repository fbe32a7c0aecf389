// What is in the tarballs, what the compiler makes of their types, and what the binary asks of the system.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { faultsOf, inspectAddon } from '../../scripts/release-addon.mjs';
import { emptyFolder, install, platformPackage, root, run, runtimes, tarballs } from './installed.mjs';

/**
 * Bounds of the tarballs in bytes: a file that does not belong there is seen. The binary has 10.9 MB since the encoders and
 * decoders of VP8, VP9, H.264 and AV1 and a font are in it, 4.4 MB before.
 */
const MAIN_BYTES_MAX = 2_000_000;
const PLATFORM_BYTES_MAX = 13_000_000;

const [[, node]] = runtimes;
const onLinux = { skip: process.platform === 'linux' ? false : 'reads ELF files' };

test('an installation', async (t) => {
  const folder = await install(t, node);
  const packed = (name) => join(folder, 'node_modules', name);
  const manifest = (name) => JSON.parse(readFileSync(join(packed(name), 'package.json'), 'utf8'));
  const { version } = manifest('millrace');

  await t.test('no package has a script, and what only a clone needs is gone', () => {
    for (const name of ['millrace', platformPackage]) {
      for (const key of ['scripts', 'devDependencies', 'private', 'ava', 'napi']) {
        assert.equal(manifest(name)[key], undefined, `${key} in ${name}`);
      }
    }
  });

  await t.test(
    'the platform packages are optional dependencies of the same version, and eventemitter3 the only other',
    () => {
      const { napi, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
      const { optionalDependencies, dependencies: own } = manifest('millrace');
      assert.deepEqual(own, { eventemitter3: dependencies.eventemitter3 });
      assert.equal(Object.keys(optionalDependencies).length, napi.targets.length);
      assert.ok(Object.values(optionalDependencies).every((wanted) => wanted === version));
      assert.ok(platformPackage in optionalDependencies);
      assert.equal(manifest(platformPackage).version, version);
    },
  );

  await t.test('the licence and the notices of what is bundled lie beside it', () => {
    for (const name of ['millrace', platformPackage]) {
      for (const file of ['LICENSE', 'THIRD-PARTY-NOTICES.txt', 'README.md']) {
        assert.ok(readFileSync(join(packed(name), file), 'utf8').length > 50, `${name}/${file}`);
      }
    }
    const notices = readFileSync(join(packed('millrace'), 'THIRD-PARTY-NOTICES.txt'), 'utf8');
    for (const bundled of [
      'fastify',
      '@fastify/static',
      'selfsigned',
      'typebox',
      'ws',
      'yaml',
      'preact',
      'mediasoup-client',
    ]) {
      assert.match(notices, new RegExp(`^ {2}${bundled} \\d`, 'm'));
    }
    assert.match(readFileSync(join(packed(platformPackage), 'THIRD-PARTY-NOTICES.txt'), 'utf8'), /^ {2}aws-lc-sys \d/m);
  });

  await t.test('no source, test or map of a library is in it', () => {
    const files = readdirSync(packed('millrace'), { recursive: true }).map(String);
    assert.deepEqual(
      files.filter((file) => /(\.tsx?|\.node|node_modules)$/.test(file) && !file.endsWith('.d.ts')),
      [],
    );
    assert.ok(existsSync(join(packed('millrace'), 'dist', 'app', 'index.html')));
  });

  await t.test('the binary asks for an old glibc and exports one symbol', onLinux, () => {
    const binary = join(packed(platformPackage), manifest(platformPackage).main);
    const found = inspectAddon(binary);
    process.stdout.write(`# ${JSON.stringify(found)}\n`);
    assert.deepEqual(faultsOf(found), []);
    const loaded = execFileSync('ldd', [binary], { encoding: 'utf8' }).trim().split('\n');
    const names = loaded.map((line) => line.trim().split(/\s/)[0].replace(/^.*\//, ''));
    assert.deepEqual(
      names.filter((name) => !/^(linux-vdso|libc|libm|libgcc_s|libpthread|libdl|ld-linux|libc\.musl)\b/.test(name)),
      [],
    );
  });

  for (const [resolution, settings] of Object.entries(RESOLUTIONS)) {
    await t.test(`types resolve under moduleResolution ${resolution}, libraries checked`, async () => {
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
      for (const [name, text] of Object.entries(PROGRAMS)) writeFileSync(join(folder, name), text);
      await run(process.execPath, folder, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.']);
      writeFileSync(join(folder, 'app.mts'), `${PROGRAMS['app.mts']}\nconst wrong: number = worker.closed;\n`);
      const wrong = await run(
        process.execPath,
        folder,
        [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.'],
        { mayFail: true },
      );
      assert.match(wrong.stdout, /^app\.mts.*TS2322.*boolean/);
    });
  }
});

test('publint finds nothing', async (t) => {
  const folder = emptyFolder(t);
  for (const tarball of tarballs) {
    const { stdout } = await run(process.execPath, folder, [
      join(root, 'node_modules', 'publint', 'src', 'cli.js'),
      tarball,
      '--strict',
    ]);
    assert.match(stdout, /All good/);
  }
});

test('arethetypeswrong finds nothing in an ESM-only package', async (t) => {
  const attw = join(root, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js');
  // It ends with an error when it finds something outside what the profile leaves out.
  const args = [attw, tarballs[0], '--profile', 'esm-only', '--no-color', '--no-emoji', '--format', 'ascii'];
  const { stdout } = await run(process.execPath, emptyFolder(t), args);
  assert.match(stdout, /"?millrace\/server"?/);
});

test('the tarballs are small', () => {
  const sizes = tarballs.map((file) => readFileSync(file).length);
  process.stdout.write(`# bytes: ${sizes.join(', ')}\n`);
  assert.ok(sizes[0] <= MAIN_BYTES_MAX && sizes[1] <= PLATFORM_BYTES_MAX, `${sizes}`);
});

test('a binary that asks for more than it may is found', () => {
  const good = { glibc: '2.28', libraries: ['libc.so.6', 'libm.so.6'], exports: ['napi_register_module_v1'] };
  assert.deepEqual(faultsOf(good), []);
  assert.deepEqual(faultsOf({ ...good, glibc: '2.29' }), ['asks for GLIBC 2.29, and 2.28 is the newest allowed']);
  assert.deepEqual(faultsOf({ ...good, libraries: ['libstdc++.so.6'] }), ['asks for the library libstdc++.so.6']);
  assert.deepEqual(faultsOf({ ...good, exports: [...good.exports, 'malloc'] }), ['exports malloc']);
  assert.deepEqual(faultsOf({ ...good, exports: [] }), ['does not export napi_register_module_v1']);
});

const STRICT = {
  strict: true,
  noEmit: true,
  skipLibCheck: false,
  target: 'es2022',
  lib: ['es2022', 'esnext.disposable'],
  types: ['node'],
  typeRoots: [join(root, 'node_modules', '@types')],
};

const RESOLUTIONS = {
  nodenext: {
    compilerOptions: { ...STRICT, module: 'nodenext', moduleResolution: 'nodenext' },
    files: ['app.mts', 'app.cts'],
  },
  bundler: { compilerOptions: { ...STRICT, module: 'esnext', moduleResolution: 'bundler' }, files: ['app.mts'] },
};

const BODY = `
export async function start(): Promise<types.Producer | undefined> {
  const worker: types.Worker = await createWorker({ logLevel: 'warn' });
  const server = await createServer({ port: 0, tls: 'off' });
  await server.close();
  return worker.closed || version === '' || new MillraceError('', '').code === '' ? undefined : undefined;
}
`;

const PROGRAMS = {
  'app.mts': `import { createWorker, errors, type types, version } from 'millrace';
import { MillraceError } from 'millrace/errors';
import { EnhancedEventEmitter } from 'millrace/extras';
import { createServer, type Server, type ServerOptions } from 'millrace/server';
import type { RtpParameters } from 'millrace/types';
export const used: [typeof EnhancedEventEmitter, typeof errors, Server?, ServerOptions?, RtpParameters?] = [EnhancedEventEmitter, errors];
declare const worker: types.Worker;
${BODY}`,
  'app.cts': `import millrace = require('millrace');
import type { types } from 'millrace';
import server = require('millrace/server');
const { createWorker, version } = millrace;
const { MillraceError } = millrace.errors;
const { createServer } = server;
${BODY}`,
};
