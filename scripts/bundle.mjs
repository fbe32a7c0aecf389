// The server with its libraries in it: what `dist/server` of the published package is.

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
export async function bundleServer(dist) {
  // Loaded here, because scripts run before npm packages are installed.
  const { rolldown } = await import('rolldown');
  const server = join(dist, 'server');
  const isFacade = (file) => file.startsWith(dist + sep) && !file.startsWith(server + sep);
  const bundle = await rolldown({
    input: { index: join(server, 'index.js'), cli: join(server, 'cli.js') },
    platform: 'node',
    external: (id, _importer, isResolved) => DEPENDENCIES.has(id) || (isResolved && isFacade(id)),
    logLevel: 'warn',
  });
  // Shared code lies two folders below `dist`, as it does unbundled: it finds the page by its own place.
  const { output } = await bundle.generate({ format: 'esm', chunkFileNames: 'lib/[name].js', dir: server });
  for (const name of readdirSync(server, { recursive: true })) {
    if (/\.js(\.map)?$/.test(name)) rmSync(join(server, name));
  }
  for (const { fileName, code } of output) {
    mkdirSync(join(server, fileName, '..'), { recursive: true });
    writeFileSync(join(server, fileName), code);
  }
  await bundle.close();
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
