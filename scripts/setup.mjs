// Sets up what is missing: system packages, npm packages, the native addon, the TypeScript build, the web build.
// Each step looks first whether there is anything to do, so that a second run costs next to nothing.

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { probe, root, run, SetupError, step } from './steps.mjs';

/** What the native build needs beside Rust: how to see that it is there, and the Debian packages that have it. */
export const BUILD_NEEDS = [
  { name: 'a C compiler with headers', test: 'echo "#include <stdlib.h>" | cc -E -', debian: ['gcc', 'libc6-dev'] },
  { name: 'CMake', test: 'command -v cmake', debian: ['cmake'] },
  { name: 'Meson and Ninja', test: 'command -v meson && command -v ninja', debian: ['meson', 'ninja-build'] },
  { name: 'NASM', test: 'command -v nasm', debian: ['nasm'] },
  { name: 'a C++ compiler', test: 'command -v g++ || command -v clang++', debian: ['g++'] },
  {
    name: 'libvpx with headers, as an archive',
    test: 'test -n "$MILLRACE_VPX_PREFIX" || test -f /opt/homebrew/lib/libvpx.a || test -f "$(cc -print-file-name=libvpx.a)"',
    debian: ['libvpx-dev'],
  },
];

/** What the tools need that come from PyPI. */
export const PYTHON_NEEDS = [
  {
    name: 'venv for /usr/bin/python3',
    test: '/usr/bin/python3 -c "import ensurepip, venv"',
    debian: ['python3', 'python3-venv'],
  },
];

/** What the Rust tests need on top of the build. */
export const RUST_TEST_NEEDS = [
  {
    name: 'FFmpeg, which sends, receives and records plain RTP, and is the other end of each codec',
    test: 'command -v ffmpeg && command -v ffprobe',
    debian: ['ffmpeg'],
  },
];

const AIORTC = {
  name: 'aiortc for /usr/bin/python3',
  test: "/usr/bin/python3 -c \"from importlib.util import find_spec as f; exit(not (f('aiortc') and f('numpy')))\"",
  debian: ['python3-aiortc', 'python3-numpy'],
};

const GSTREAMER = {
  name: 'GStreamer with its RTP, SRTP and codec plugins',
  test: 'gst-inspect-1.0 vp9enc && gst-inspect-1.0 srtpenc && gst-inspect-1.0 openh264enc && gst-inspect-1.0 opusenc',
  debian: ['gstreamer1.0-tools', 'gstreamer1.0-plugins-base', 'gstreamer1.0-plugins-good', 'gstreamer1.0-plugins-bad'],
};

/** What the bench needs on top of the build: whom data channels and mixed rooms are compared with, and a voice. */
export const BENCH_NEEDS = [
  AIORTC,
  { name: 'Janus', test: 'command -v janus', debian: ['janus'] },
  GSTREAMER,
  ...RUST_TEST_NEEDS,
];

/** What the tests need on top of it. Whatever Chromium is found first is used. */
export const TEST_NEEDS = [
  {
    name: 'Chromium',
    test: 'command -v chromium || command -v chromium-browser || command -v google-chrome',
    debian: ['chromium'],
  },
  {
    name: 'Firefox ESR and PulseAudio, which it plays to',
    test: 'command -v firefox-esr && command -v pulseaudio',
    debian: ['firefox-esr', 'pulseaudio'],
  },
  {
    name: 'libsrtp with headers',
    test: 'echo "#include <srtp2/srtp.h>" | cc -E -',
    debian: ['libsrtp2-dev'],
  },
  ...RUST_TEST_NEEDS,
  GSTREAMER,
  { name: 'tshark', test: 'command -v tshark', debian: ['tshark'] },
  AIORTC,
];

/** What counting instructions needs on top of it. */
export const INSTRUCTION_NEEDS = [{ name: 'valgrind', test: 'command -v valgrind', debian: ['valgrind'] }];

/** Checks Node.js and Rust, and installs the Debian packages that are missing, or says in one line which and how. */
export async function systemPackages(needs) {
  checkNode();
  // On Windows cargo finds the compiler by itself.
  const missing = process.platform === 'win32' ? [] : needs.filter(({ test }) => !probe('sh', ['-c', test]).ok);
  if (missing.length > 0) await installDebianPackages(missing);
  checkRust();
}

/** npm only warns of a Node.js that is too old, and what fails then says something else. */
function checkNode() {
  const wanted = /\d+\.\d+/.exec(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node)[0];
  const [wantedMajor, wantedMinor] = wanted.split('.').map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
    throw new SetupError(`Node.js ${wanted} or newer is needed, this is ${process.versions.node}: https://nodejs.org`);
  }
}

function checkRust() {
  const channel = /^channel = "(.+)"$/m.exec(readFileSync(join(root, 'rust-toolchain.toml'), 'utf8'))[1];
  // Where rustup puts it; a shell that was open before the installation does not look there.
  const rustup = join(homedir(), '.cargo', 'bin');
  if (!probe('cargo', ['--version']).ok && existsSync(rustup)) process.env.PATH += delimiter + rustup;
  if (!probe('cargo', ['--version']).ok) {
    throw new SetupError(
      `Missing: Rust ${channel}. Install with: curl -sSf https://sh.rustup.rs | sh -s -- -y --default-toolchain ${channel}`,
    );
  }
}

/** Checks the parts of the Rust toolchain that only `npm run check` needs. */
export function checkRustLints() {
  if (!probe('cargo', ['fmt', '--version']).ok || !probe('cargo', ['clippy', '--version']).ok) {
    throw new SetupError('Missing: rustfmt and clippy. Install with: rustup component add rustfmt clippy');
  }
}

async function installDebianPackages(missing) {
  const packages = missing.flatMap(({ debian }) => debian);
  const names = missing.map(({ name }) => name).join(', ');
  const byHand = `Missing: ${names}. Install with: sudo apt-get install -y ${packages.join(' ')}`;
  const prefix = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  if (!probe('sh', ['-c', [...prefix, 'apt-get', '--version'].join(' ')]).ok) throw new SetupError(byHand);
  const apt = (args) => {
    const [command, ...rest] = [...prefix, 'apt-get', ...args];
    return run(command, rest, { env: { DEBIAN_FRONTEND: 'noninteractive' } });
  };
  try {
    await step(`Installing system packages: ${packages.join(', ')}`, async () => {
      await apt(['update', '-qq']);
      await apt(['install', '-y', '-qq', '--no-install-recommends', ...packages]);
    });
  } catch {
    throw new SetupError(byHand);
  }
}

/** Installs the npm packages of package-lock.json, scripts off, unless they are there. */
export async function npmPackages() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (isNewer(installed, [join(root, 'package-lock.json'), join(root, 'package.json')])) return;
  // Not `npm ci`: it insists on a lockfile with the optional packages of every platform, which not every registry has.
  // The versions and checksums are those of the lockfile all the same, and --no-save leaves it as it is.
  const quietly = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await step('Installing npm packages', () => run('npm', ['install', ...quietly]));
}

/** The environment for every cargo call: one target directory tree for `cargo` and for `napi build`. */
export function cargoEnvironment() {
  const host = /^host: (.+)$/m.exec(probe('rustc', ['-vV']).output)?.[1];
  if (!host) throw new SetupError('rustc does not run; see what `rustc -vV` says.');
  return { CARGO_BUILD_TARGET: host };
}

/** Builds the native addon into ts/native, unless it is newer than every source and of the wanted profile. */
export async function nativeBuild({ release, profile = release ? 'release' : 'debug', env = {} }) {
  const stamp = join(root, 'ts', 'native', '.profile');
  const sources = ['crates', 'Cargo.toml', 'Cargo.lock', 'rust-toolchain.toml'].map((path) => join(root, path));
  const fresh = existsSync(stamp) && readFileSync(stamp, 'utf8') === profile && isNewer(stamp, sources);
  if (fresh) return;
  await step(`Building the Rust core (${profile}; the first time takes minutes)`, () =>
    run('npx', ['--no-install', 'napi', 'build', ...NAPI_BUILD, ...(release ? ['--release'] : [])], {
      env: { ...cargoEnvironment(), ...env },
    }),
  );
  writeFileSync(stamp, profile);
}

/** Builds the WebRTC peers that tests in JavaScript call with. */
export async function peersBuild() {
  const build = ['build', '--package', 'millrace-testkit', '--bin', 'peers'];
  await step('Building the peers of the tests', () => run('cargo', build, { env: cargoEnvironment() }));
}

const NAPI_BUILD = [
  ...['--manifest-path', 'crates/node/Cargo.toml', '--platform'],
  ...['--output-dir', 'ts/native', '--no-js', '--dts', 'native.d.ts'],
];

/** Compiles ts/ into dist/. */
export async function typescriptBuild() {
  const sources = ['ts', 'tsconfig.json', 'tsconfig.build.json'].map((path) => join(root, path));
  if (isNewer(join(root, 'dist', 'index.js'), sources.filter(existsSync), ['app', 'admin', '.node', '.profile']))
    return;
  await step('Compiling TypeScript', () => run('npm', ['run', '--silent', 'build:ts']));
}

/** Builds the meet page into dist/app. */
export async function webBuild() {
  const sources = [join(root, 'ts', 'app'), join(root, 'package-lock.json')];
  if (isNewer(join(root, 'dist', 'app', 'index.html'), sources)) return;
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
