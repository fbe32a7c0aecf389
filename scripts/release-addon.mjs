// The addon as it is published: built for this machine's platform and checked for what it asks of the system.

import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cargoEnvironment, PYTHON_NEEDS, systemPackages } from './setup.mjs';
import { probe, root, run, SetupError, step } from './steps.mjs';

/** The oldest glibc that the binaries for glibc run on: that of Debian 10, RHEL 8 and Ubuntu 18.10. */
export const GLIBC_MAX = '2.28';

/** What cargo-zigbuild and the zig that it calls are, from PyPI. zig links against any glibc, whatever the machine has. */
const ZIG = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.0'];

/**
 * The libraries that a machine has in any case; nothing else may be asked for. Up to glibc 2.33 threads and dlopen are in
 * files of their own, so whoever is to run on 2.28 names them; since 2.34 they are empty and belong to libc.
 */
const LIBRARIES = [
  ...['libc.so.6', 'libm.so.6', 'libgcc_s.so.1', 'ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1'],
  ...['libpthread.so.0', 'libdl.so.2'],
];

/** The one symbol that Node.js looks up. */
const EXPORTS = ['napi_register_module_v1'];

/** The Rust target of each platform; `napi.targets` in package.json lists the same. */
export const TARGETS = {
  'linux-x64-gnu': 'x86_64-unknown-linux-gnu',
  'linux-x64-musl': 'x86_64-unknown-linux-musl',
  'linux-arm64-gnu': 'aarch64-unknown-linux-gnu',
  'linux-arm64-musl': 'aarch64-unknown-linux-musl',
  'darwin-arm64': 'aarch64-apple-darwin',
  'win32-x64-msvc': 'x86_64-pc-windows-msvc',
};

/** Name of this machine's platform: the one whose target this Rust builds for. */
export function thisPlatform() {
  const target = cargoEnvironment().CARGO_BUILD_TARGET;
  const found = Object.entries(TARGETS).find(([, candidate]) => candidate === target);
  if (!found) throw new SetupError(`No package is made for ${target}.`);
  return found[0];
}

/** Builds the release addon of `platform` and copies it to `file`. */
export async function buildReleaseAddon(platform, file) {
  const target = TARGETS[platform];
  const glibc = platform.endsWith('-gnu');
  // A folder of its own: zig's C compiler and the machine's would each undo what the other has built.
  const env = { ...cargoEnvironment(), CARGO_TARGET_DIR: join(root, 'target', 'packed') };
  if (glibc) {
    env.PATH = (await zigFolder()) + delimiter + process.env.PATH;
    // crates/codecs/build.rs then takes zig's C++ library, and mends archives that ask for a newer glibc.
    env.MILLRACE_OLD_GLIBC = '1';
  }
  // musl is linked dynamically, because what is loaded into a process must share its C library.
  if (platform.endsWith('-musl')) env.RUSTFLAGS = '-C target-feature=-crt-static';
  const command = glibc ? ['zigbuild', '--target', `${target}.${GLIBC_MAX}`] : ['build', '--target', target];
  const what = ['--locked', '--release', '--package', 'millrace-node'];
  await step(`Building the release addon for ${platform} (the first time takes minutes)`, () =>
    run('cargo', [...command, ...what], { env }),
  );
  mkdirSync(join(file, '..'), { recursive: true });
  copyFileSync(join(env.CARGO_TARGET_DIR, target, 'release', libraryName(platform)), file);
}

function libraryName(platform) {
  if (platform.startsWith('win32')) return 'millrace_node.dll';
  return platform.startsWith('darwin') ? 'libmillrace_node.dylib' : 'libmillrace_node.so';
}

/** The folder with `cargo-zigbuild`, which finds its zig by itself; filled at the first call. */
async function zigFolder() {
  const venv = join(root, 'target', 'tools', 'zig');
  const bin = join(venv, 'bin');
  const pip = ['-m', 'pip', '--quiet', '--disable-pip-version-check'];
  const has = probe(join(bin, 'python'), [...pip, 'freeze']).output.split('\n');
  if (!existsSync(join(bin, 'cargo-zigbuild')) || !ZIG.every((wanted) => has.includes(wanted))) {
    await systemPackages(PYTHON_NEEDS);
    await step(`Installing ${ZIG.join(', ')}`, async () => {
      await run('/usr/bin/python3', ['-m', 'venv', venv]);
      await run(join(bin, 'python'), [...pip, 'install', '--no-deps', '--only-binary=:all:', ...ZIG]);
    });
  }
  return bin;
}

/** What a Linux addon asks of the system: its highest GLIBC version, libraries and exported symbols. */
export function inspectAddon(file) {
  const symbols = read('readelf', ['--dyn-syms', '--wide', file]);
  const dynamic = read('readelf', ['--dynamic', '--wide', file]);
  const versions = read('readelf', ['--version-info', '--wide', file]);
  const glibc = [...versions.matchAll(/GLIBC_(\d+)\.(\d+)(?:\.\d+)?/g)].map(([, major, minor]) => [+major, +minor]);
  glibc.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return {
    glibc: glibc.at(-1)?.join('.'),
    libraries: [...dynamic.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name),
    exports: symbols
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((field) => ['GLOBAL', 'WEAK', 'UNIQUE'].includes(field[4]) && field[6] !== 'UND' && field[7])
      .map((field) => field[7].split('@')[0]),
  };
}

/** What is wrong with what `inspectAddon` found, a sentence each. */
export function faultsOf({ glibc, libraries, exports }) {
  const foreign = libraries.filter((name) => !LIBRARIES.includes(name) && !/^libc\.musl-/.test(name));
  const extra = exports.filter((name) => !EXPORTS.includes(name));
  const absent = EXPORTS.filter((name) => !exports.includes(name));
  return [
    ...(glibc && isAbove(glibc, GLIBC_MAX) ? [`asks for GLIBC ${glibc}, and ${GLIBC_MAX} is the newest allowed`] : []),
    ...foreign.map((name) => `asks for the library ${name}`),
    ...extra.map((name) => `exports ${name}`),
    ...absent.map((name) => `does not export ${name}`),
  ];
}

function isAbove(version, bound) {
  const [[major, minor], [boundMajor, boundMinor]] = [version, bound].map((text) => text.split('.').map(Number));
  return major > boundMajor || (major === boundMajor && minor > boundMinor);
}

function read(command, args) {
  const { ok, output } = probe(command, args);
  if (!ok) throw new SetupError(`${command} ${args.join(' ')} failed`);
  return output;
}
