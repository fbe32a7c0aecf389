// Runs the tests of the facade, the server and the page on an addon that is built with AddressSanitizer (case N10). Linux
// with GCC only. The sanitizer's option is unstable, which RUSTC_BOOTSTRAP lets the pinned compiler take all the same.

import {
  BUILD_NEEDS,
  cargoEnvironment,
  nativeBuild,
  npmPackages,
  peersBuild,
  systemPackages,
  TEST_NEEDS,
  typescriptBuild,
  webBuild,
} from './setup.mjs';
import { main, probe, run, SetupError, step } from './steps.mjs';

const INSTRUMENTED = { RUSTFLAGS: '-Zsanitizer=address', RUSTC_BOOTSTRAP: '1', CARGO_TARGET_DIR: 'target/asan' };

await main(async () => {
  await systemPackages([...BUILD_NEEDS, ...TEST_NEEDS]);
  await npmPackages();
  await nativeBuild({ release: false, env: INSTRUMENTED, profile: 'asan' });
  await typescriptBuild();
  await webBuild();
  await peersBuild();
  const preload = runtime();
  // Node.js itself leaks by design when it exits. A report ends the process, and so fails the test that it belongs to.
  const env = { ...cargoEnvironment(), LD_PRELOAD: preload, ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1' };
  await step('Tests on the addon with AddressSanitizer', () => run('npx', ['--no-install', 'ava', '--tap'], { env }));
});

/** The library that the addon's instructions call; Node.js must have loaded it before the addon. */
function runtime() {
  const path = probe('gcc', ['-print-file-name=libasan.so']).output.trim();
  if (!path.startsWith('/')) throw new SetupError('Missing: libasan of GCC. Install with: sudo apt-get install -y gcc');
  return path;
}
