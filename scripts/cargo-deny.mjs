// cargo-deny, built when the machine has none.

import { join } from 'node:path';
import { probe, root, run, step } from './steps.mjs';

/** The version whose configuration deny.toml is written for. */
const VERSION = '0.20.2';

/** Checks what `deny.toml` says of `subjects`; builds cargo-deny into target/tools first where it is missing. */
export async function checkDependencies(subjects) {
  await run(await cargoDeny(), ['check', ...subjects]);
}

async function cargoDeny() {
  const tools = join(root, 'target', 'tools');
  const own = join(tools, 'bin', 'cargo-deny');
  const has = (command) => probe(command, ['--version']).output.includes(VERSION);
  if (has('cargo-deny')) return 'cargo-deny';
  if (!has(own)) {
    // Without optimisation: it runs for seconds and builds for minutes.
    const how = ['--version', VERSION, '--locked', '--debug', '--quiet'];
    const where = ['--root', tools, '--target-dir', join(tools, 'build')];
    await step(`Building cargo-deny ${VERSION}`, () => run('cargo', ['install', 'cargo-deny', ...how, ...where]));
  }
  return own;
}
