// Publishes what the release workflow has built and tested: `node scripts/publish.mjs <folder> <tag>`. The folder holds
// one folder with tarballs per platform. The platform packages go first, so that `millrace` never lacks one.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TARGETS } from './release-addon.mjs';
import { main, root, run, SetupError } from './steps.mjs';

/** The platform whose build of `millrace` itself is published; it is the same on each. */
const MAIN_FROM = 'linux-x64-gnu';

await main(async () => {
  const [folder, tag] = process.argv.slice(2);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  if (tag !== `v${version}`) throw new SetupError(`The tag is ${tag}, and package.json says ${version}.`);
  const platforms = Object.keys(TARGETS).map((name) => join(folder, name, `millrace-${name}-${version}.tgz`));
  const tarballs = [...platforms, join(folder, MAIN_FROM, `millrace-${version}.tgz`)];
  const missing = tarballs.filter((file) => !existsSync(join(root, file)));
  if (missing.length > 0) throw new SetupError(`Not built: ${missing.join(', ')}`);
  for (const file of tarballs)
    await run('npm', ['publish', `./${file}`, '--provenance', '--access', 'public', '--ignore-scripts']);
});
