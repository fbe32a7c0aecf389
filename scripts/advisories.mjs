// Known weaknesses of dependencies. Run by the workflows; it fetches its databases from the network.

import { checkDependencies } from './cargo-deny.mjs';
import { BUILD_NEEDS, systemPackages } from './setup.mjs';
import { main, run, step } from './steps.mjs';

await main(async () => {
  await systemPackages(BUILD_NEEDS);
  await step('Advisories: Rust', () => checkDependencies(['advisories']));
  await step('Advisories: npm', () => run('npm', ['audit', '--package-lock-only', '--audit-level=high']));
});
