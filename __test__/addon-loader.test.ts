import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import test from 'ava';
import { loadAddon, PLATFORMS, type Place, thisPlatform } from '../ts/addon-loader.js';
import { AddonError } from '../ts/errors.js';

const FILE = '/somewhere/ts/native/millrace.linux-x64-gnu.node';

test('the file of a clone goes before the platform package', (t) => {
  const own = binary('1.2.3');
  t.is(loadAddon(place({ [FILE]: own, 'millrace-linux-x64-gnu': binary('1.2.3') })), own as never);
});

test('the platform package is loaded where there is no file', (t) => {
  const packed = binary('1.2.3');
  t.is(loadAddon(place({ 'millrace-linux-x64-gnu': packed })), packed as never);
});

test('a platform package that is missing is named, with the command that brings it', (t) => {
  const error = refused(place({}));
  t.is(error.code, 'ERR_ADDON_MISSING');
  t.regex(error.message, /^millrace needs the package millrace-linux-x64-gnu, which is not installed: /);
  t.regex(error.message, /lockfile comes from another system/);
  t.regex(error.message, /`npm install --include=optional` on this system/);
  t.regex(error.message, /`npm install millrace-linux-x64-gnu@1\.2\.3`$/);
});

test('an installation that was made for another C library is recognised', (t) => {
  const error = refused(place({ 'millrace-linux-x64-musl/package.json': {} }));
  t.is(error.code, 'ERR_ADDON_MISSING');
  t.regex(error.message, /only millrace-linux-x64-musl is there, so it was installed on or for another system/);
});

test('a platform without a binary is told which ones there are', (t) => {
  const error = refused({ ...place({}), platform: 'freebsd-x64' });
  t.is(error.code, 'ERR_UNSUPPORTED_PLATFORM');
  t.is(error.message, `millrace has no binary for freebsd-x64, only for ${PLATFORMS.join(', ')}`);
});

test('a binary of another version is refused', (t) => {
  const error = refused(place({ 'millrace-linux-x64-gnu': binary('1.2.2') }));
  t.is(error.code, 'ERR_ADDON_VERSION');
  t.regex(error.message, /^millrace 1\.2\.3 found the binary of version 1\.2\.2 for linux-x64-gnu: /);
});

test('a binary that cannot be loaded says why, and keeps the cause', (t) => {
  const cause = Object.assign(new Error("version `GLIBC_2.28' not found\nand more"), { code: 'ERR_DLOPEN_FAILED' });
  for (const specifier of [FILE, 'millrace-linux-x64-gnu']) {
    const error = refused(place({ [specifier]: cause }));
    t.is(error.code, 'ERR_ADDON_LOAD');
    t.true(
      error.message.startsWith(`millrace found ${specifier} but cannot load it: version \`GLIBC_2.28' not found; `),
    );
    t.is(error.cause, cause);
  }
});

test('every message is one line', (t) => {
  const places = [place({}), { ...place({}), platform: 'sunos-x64' }, place({ [FILE]: binary('0.0.1') })];
  for (const error of places.map(refused)) {
    t.false(error.message.includes('\n'));
  }
});

test('the platforms are the targets that are built', (t) => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  t.deepEqual([...PLATFORMS].sort(), manifest.napi.targets.map(platformOf).sort());
});

test('this machine has the name that the tools of Node give it', (t) => {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  const library = { linux: header.glibcVersionRuntime ? '-gnu' : '-musl', win32: '-msvc' }[process.platform as string];
  t.is(thisPlatform(), `${process.platform}-${process.arch}${library ?? ''}`);
});

test('the command line answers --help without an addon, and prints one line when it is to serve', async (t) => {
  const help = await cli('--help');
  t.is(help.code, 0);
  const serve = await cli('--port', '0');
  t.is(serve.code, 1);
  t.regex(serve.errors, /^millrace has no binary for plan9-x64, only for [^\n]*\n$/);
});

/** A machine on which exactly `found` can be loaded; an `Error` in it is thrown. */
function place(found: Readonly<Record<string, unknown>>): Place {
  const load = (specifier: string): unknown => {
    const what = found[specifier] ?? Object.assign(new Error(`Cannot find module '${specifier}'`), NOT_FOUND);
    if (what instanceof Error) {
      throw what;
    }
    return what;
  };
  return { platform: 'linux-x64-gnu', version: '1.2.3', file: FILE, load };
}

function binary(version: string): { version: () => string } {
  return { version: () => version };
}

function refused(where: Place): AddonError {
  try {
    loadAddon(where);
  } catch (error) {
    if (error instanceof AddonError) {
      return error;
    }
    throw error;
  }
  throw new Error('the addon was loaded');
}

/** The name of a Rust target as napi-rs has it. */
function platformOf(target: string): string {
  const [cpu, , system, abi] = target.split('-') as [string, string, string, string?];
  const names = { x86_64: 'x64', aarch64: 'arm64', windows: 'win32' } as Record<string, string>;
  return [names[system] ?? system, names[cpu] ?? cpu, abi].filter(Boolean).join('-');
}

/** The command line on a system that nothing is built for. */
async function cli(...args: string[]): Promise<{ code: number; errors: string }> {
  const pretend = "data:text/javascript,Object.defineProperty(process,'platform',{value:'plan9'})";
  const script = new URL('../ts/server/cli.ts', import.meta.url).pathname;
  const loader = new URL('../ava-ts.mjs', import.meta.url).href;
  const child = spawn(process.execPath, [`--import=${loader}`, `--import=${pretend}`, script, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const [code] = await once(child, 'close');
  return { code, errors };
}

const NOT_FOUND = { code: 'MODULE_NOT_FOUND' };
