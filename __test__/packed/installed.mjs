// What the tests of the tarballs share: an installation in an empty folder, and programs that run in it.

import { execFile } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The two tarballs. */
export const tarballs = [process.env.PACKED_MAIN, process.env.PACKED_PLATFORM];

/** Name of the platform package. */
export const platformPackage = basename(tarballs[1]).replace(/-\d+\.\d+\.\d+\.tgz$/, '');

/** The Node.js programs to test with: pairs of version and path. */
export const runtimes = Object.entries(JSON.parse(process.env.PACKED_RUNTIMES));

/** Long enough for a busy machine; only a process that hangs takes so long. */
const HANG_MS = 120_000;

const posix = process.platform !== 'win32';

/** Makes a folder that is removed when `t` ends. */
export function emptyFolder(t) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-packed-')));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Installs the tarballs into an empty folder, with install scripts off, no network, and nothing in PATH but Node.js.
 * eventemitter3 is the one dependency that they do not bring.
 */
export async function install(t, node) {
  const folder = emptyFolder(t);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const emitter = await npm(
    node,
    folder,
    'pack',
    join(root, 'node_modules', 'eventemitter3'),
    '--pack-destination',
    folder,
  );
  await npm(node, folder, 'install', ...tarballs, join(folder, emitter.stdout.trim().split('\n').at(-1)));
  return folder;
}

function npm(node, folder, ...args) {
  const quietly = ['--ignore-scripts', '--offline', '--no-audit', '--no-fund', '--loglevel=error'];
  return run(node, folder, [process.env.PACKED_NPM, ...args, ...quietly, '--cache', join(folder, '.npm')]);
}

/** A copy of an installation without the platform package. */
export function withoutBinary(t, installed) {
  const folder = emptyFolder(t);
  cpSync(installed, folder, { recursive: true });
  rmSync(join(folder, 'node_modules', platformPackage), { recursive: true });
  return folder;
}

/** Writes a program into `folder` and runs it there. */
export function runProgram(node, folder, name, text) {
  writeFileSync(join(folder, name), text);
  return run(node, folder, [name]);
}

/** Runs Node.js; resolves to its exit code and output. Rejects when it hangs, and when it fails unless `mayFail`. */
export function run(node, cwd, args, { mayFail = false } = {}) {
  return new Promise((resolve, reject) => {
    execFile(node, args, { cwd, env: environment(node, cwd), timeout: HANG_MS }, (error, stdout, stderr) => {
      const code = error ? (error.code ?? error.signal) : 0;
      if (error && !(mayFail && typeof code === 'number')) reject(new Error(`${error.message}\n${stdout}`));
      else resolve({ code, stdout, stderr });
    });
  });
}

/** An environment without a compiler: PATH leads to Node.js alone. */
export function environment(node, cwd) {
  if (!posix) return { ...process.env, PATH: dirname(node) };
  const bin = join(cwd, '.bin-of-node');
  mkdirSync(bin, { recursive: true });
  try {
    symlinkSync(node, join(bin, 'node'));
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  return { PATH: bin, HOME: cwd };
}

/** The six lines of the README. */
export function sixLines() {
  return /^```js\n(import \{ createWorker \}.*?)^```$/ms.exec(readFileSync(join(root, 'README.md'), 'utf8'))[1];
}
