import { readFileSync } from 'node:fs';
import test from 'ava';

const manifest = JSON.parse(read('package.json'));

test('nothing runs at install', (t) => {
  const lifecycle = Object.keys(manifest.scripts).filter((name) => LIFECYCLE_SCRIPTS.has(name));
  t.deepEqual(lifecycle, []);
});

test('versions of packages are exact', (t) => {
  const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
  t.deepEqual(
    versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version as string)),
    [],
  );
});

test('the lockfile names no registry', (t) => {
  t.false(read('package-lock.json').includes('"resolved"'));
});

function read(path: string): string {
  return readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
}

/** What npm runs by itself; none of it may exist, here or in a consumer's tree. */
const LIFECYCLE_SCRIPTS = new Set([
  'preinstall',
  'install',
  'postinstall',
  'preprepare',
  'prepare',
  'postprepare',
  'prepublish',
  'prepublishOnly',
  'prepack',
  'postpack',
  'dependencies',
]);
