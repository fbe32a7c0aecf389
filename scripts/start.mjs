// `npm start`: sets up what is missing, builds, and starts the server. Arguments go to the server: `npm start -- --help`.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BUILD_NEEDS, nativeBuild, npmPackages, systemPackages, typescriptBuild, webBuild } from './setup.mjs';
import { main, root } from './steps.mjs';

await main(async () => {
  await systemPackages(BUILD_NEEDS);
  await npmPackages();
  await nativeBuild({ release: true });
  await typescriptBuild();
  await webBuild();
});
// The server takes over this process, so that Ctrl-C and SIGTERM reach it and its exit code is ours.
await import(pathToFileURL(join(root, 'dist', 'server', 'cli.js')).href);
