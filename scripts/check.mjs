// `npm run check`: what must hold before tests are worth running: format, lints, the house's rules, dependencies.

import { checkDependencies } from './cargo-deny.mjs';
import { BUILD_NEEDS, cargoEnvironment, checkRustLints, npmPackages, systemPackages } from './setup.mjs';
import { main, run, step } from './steps.mjs';

await main(async () => {
  await systemPackages(BUILD_NEEDS);
  checkRustLints();
  await npmPackages();
  const env = cargoEnvironment();
  const clippy = ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings'];
  await step('Format and lints: TypeScript', () => run('npm', ['run', '--silent', 'lint']));
  await step('Format: Rust', () => run('cargo', ['fmt', '--all', '--check']));
  await step('Lints: Rust', () => run('cargo', clippy, { env }));
  await step('Rules of the house', () => run('cargo', ['xtask', 'tidy'], { env }));
  await step('Dependencies: licences, bans, sources', () => checkDependencies(['licenses', 'bans', 'sources']));
});
