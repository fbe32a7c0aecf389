// `npm run check`: what must hold before tests are worth running: format, lints, the house's rules, dependencies.

import { join } from 'node:path';
import { BUILD_NEEDS, cargoEnvironment, checkRustLints, npmPackages, systemPackages } from './setup.mjs';
import { main, probe, root, run, step } from './steps.mjs';

/** The version whose configuration deny.toml is written for. */
const CARGO_DENY = '0.20.2';

await main(async () => {
  await systemPackages(BUILD_NEEDS);
  checkRustLints();
  await npmPackages();
  const env = cargoEnvironment();
  await step('Format and lints: TypeScript', () => run('npm', ['run', '--silent', 'lint']));
  await step('Format: Rust', () => run('cargo', ['fmt', '--all', '--check']));
  await step('Lints: Rust', () =>
    run('cargo', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings'], { env }),
  );
  await step('Rules of the house', () => run('cargo', ['xtask', 'tidy'], { env }));
  await step('Licences, bans and sources of dependencies', async () => {
    await run(await cargoDeny(), ['check', 'licenses', 'bans', 'sources']);
  });
});

/** The path of cargo-deny; builds it into target/tools when the machine has none of this version. */
async function cargoDeny() {
  const own = join(root, 'target', 'tools', 'bin', 'cargo-deny');
  const has = (command) => probe(command, ['--version']).output.includes(CARGO_DENY);
  if (has('cargo-deny')) return 'cargo-deny';
  if (!has(own)) {
    const where = ['--root', join(root, 'target', 'tools'), '--target-dir', join(root, 'target', 'tools', 'build')];
    await step(`Building cargo-deny ${CARGO_DENY}`, () =>
      run('cargo', ['install', 'cargo-deny', '--version', CARGO_DENY, '--locked', '--debug', '--quiet', ...where]),
    );
  }
  return own;
}
