// Sets up what is missing: system packages, npm packages, the native addon, the TypeScript build, the web build.
// Each step looks first whether there is anything to do, so that a second run costs next to nothing.

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { probe, root, run, SetupError, step } from './steps.mjs';

/** What the native build needs beside a Rust toolchain: a command to look for and the Debian package that has it. */
export const BUILD_PACKAGES = [
  { command: 'cc', debian: 'gcc' },
  { command: 'c++', debian: 'g++' },
  { command: 'make', debian: 'make' },
  { command: 'cmake', debian: 'cmake' },
];

/** What the tests need on top of it. */
export const TEST_PACKAGES = [{ command: 'chromium', debian: 'chromium' }];

/** Installs the Debian packages whose commands are missing, or says in one line which and how. */
export async function systemPackages(packages) {
  const missing = packages.filter(({ command }) => !probe('sh', ['-c', `command -v ${command}`]).ok);
  if (missing.length > 0) await installDebianPackages(missing.map(({ debian }) => debian));
  if (!probe('cargo', ['--version']).ok) {
    throw new SetupError('Rust is missing: install it with rustup (https://rustup.rs), then run this again.');
  }
}

async function installDebianPackages(names) {
  const prefix = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const command = [...prefix, 'apt-get'];
  const byHand = `Missing: ${names.join(', ')}. Install with: sudo apt-get install -y ${names.join(' ')}`;
  const able = probe('sh', ['-c', 'command -v apt-get']).ok && (prefix.length === 0 || probe('sudo', ['-n', 'true']).ok);
  if (!able) throw new SetupError(byHand);
  const apt = (args) =>
    run(command[0], [...command.slice(1), ...args], { env: { DEBIAN_FRONTEND: 'noninteractive' } });
  try {
    await step(`Installing system packages: ${names.join(', ')}`, async () => {
      await apt(['update', '-qq']);
      await apt(['install', '-y', '-qq', '--no-install-recommends', ...names]);
    });
  } catch {
    throw new SetupError(byHand);
  }
}

/** Installs the npm packages of package-lock.json, scripts off, unless they are there. */
export async function npmPackages() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (isNewer(installed, [join(root, 'package-lock.json'), join(root, 'package.json')])) return;
  await step('Installing npm packages', () => run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']));
}

/** The environment for every cargo call: one target directory tree for `cargo` and for `napi build`. */
export function cargoEnvironment() {
  const host = /^host: (.+)$/m.exec(probe('rustc', ['-vV']).output)?.[1];
  if (!host) throw new SetupError('rustc does not run: install Rust with rustup (https://rustup.rs).');
  return { CARGO_BUILD_TARGET: host };
}

/** Builds the native addon into ts/native, unless it is newer than every source and of the wanted profile. */
export async function nativeBuild({ release }) {
  const profile = release ? 'release' : 'debug';
  const stamp = join(root, 'ts', 'native', '.profile');
  const sources = ['crates', 'Cargo.toml', 'Cargo.lock', 'rust-toolchain.toml'].map((path) => join(root, path));
  const fresh = existsSync(stamp) && readFileSync(stamp, 'utf8') === profile && isNewer(stamp, sources);
  if (fresh) return;
  await step(`Building the Rust core (${profile}; the first time takes minutes)`, () =>
    run(
      'npx',
      ['--no-install', 'napi', 'build', '--manifest-path', 'crates/node/Cargo.toml', '--platform', '--js', 'native.cjs',
        '--dts', 'native.d.ts', '--output-dir', 'ts/native', ...(release ? ['--release'] : [])],
      { env: cargoEnvironment() },
    ),
  );
  writeFileSync(stamp, profile);
}

/** Compiles ts/ into dist/. */
export async function typescriptBuild() {
  const sources = ['ts', 'tsconfig.json', 'tsconfig.build.json'].map((path) => join(root, path));
  if (isNewer(join(root, 'dist', 'index.js'), sources.filter(existsSync), ['app', 'admin', '.node', '.profile'])) return;
  await step('Compiling TypeScript', () => run('npm', ['run', '--silent', 'build:ts']));
}

/** Builds the meet page into dist/app. */
export async function webBuild() {
  if (isNewer(join(root, 'dist', 'app', 'index.html'), [join(root, 'ts', 'app')])) return;
  await step('Building the meet page', () => run('npm', ['run', '--silent', 'build:web']));
}

/** Tells whether `file` exists and is newer than everything in `sources`, folders included. */
function isNewer(file, sources, leaveOut = []) {
  if (!existsSync(file)) return false;
  const built = statSync(file).mtimeMs;
  return sources.every((source) => newest(source, leaveOut) <= built);
}

function newest(path, leaveOut) {
  if (!existsSync(path)) return Number.POSITIVE_INFINITY;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(path)
    .filter((name) => !leaveOut.some((end) => name.endsWith(end)))
    .reduce((latest, name) => Math.max(latest, newest(join(path, name), leaveOut)), 0);
}
