// The server and SDP with their libraries in them: what `dist/server` and `dist/sdp` of the published package are.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { root } from './steps.mjs';

/** What is not bundled: the one dependency of the published package. */
const DEPENDENCIES = new Set(Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies));

/**
 * Puts the libraries into the server of the compiled package `dist`: `server/index.js`, `server/cli.js` and what they
 * share take the place of its modules. Resolves to the folders of the packages that are in it then.
 *
 * The facade stays as it is, file by file, so that `millrace` and `millrace/server` share its classes.
 */
export function bundleServer(dist) {
  return bundle(dist, 'server', ['index', 'cli']);
}

/** Puts sdp-transform into `sdp/index.js` in the same way. */
export function bundleSdp(dist) {
  return bundle(dist, 'sdp', ['index']);
}

/** Makes the modules of a folder of `dist` into these, with the libraries in them. */
async function bundle(dist, name, entries) {
  // Loaded here, because scripts run before npm packages are installed.
  const { rolldown } = await import('rolldown');
  const folder = join(dist, name);
  const isOutside = (file) => file.startsWith(dist + sep) && !file.startsWith(folder + sep);
  const made = await rolldown({
    input: Object.fromEntries(entries.map((entry) => [entry, join(folder, `${entry}.js`)])),
    platform: 'node',
    external: (id, _importer, isResolved) => DEPENDENCIES.has(id) || (isResolved && isOutside(id)),
    logLevel: 'warn',
  });
  // Shared code lies two folders below `dist`, as it does unbundled: the server finds the page by its own place.
  const { output } = await made.generate({ format: 'esm', chunkFileNames: 'lib/[name].js', dir: folder });
  for (const file of readdirSync(folder, { recursive: true })) {
    if (/\.js(\.map)?$/.test(file)) rmSync(join(folder, file));
  }
  for (const { fileName, code } of output) {
    mkdirSync(join(folder, fileName, '..'), { recursive: true });
    writeFileSync(join(folder, fileName), code);
  }
  await made.close();
  return packagesOf(output.flatMap(({ moduleIds }) => moduleIds ?? []));
}

/** The folders of the packages that these modules lie in. */
export function packagesOf(modules) {
  const folders = modules.flatMap((module) => {
    const match = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(module.replace(/^\0/, '').replaceAll(sep, '/'));
    return match ? [match[1]] : [];
  });
  return [...new Set(folders)].sort();
}
