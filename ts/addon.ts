import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Addon, loadAddon, thisPlatform } from './addon-loader.js';

const load = createRequire(import.meta.url);
const platform = thisPlatform();

/** The addon of this platform. Loading this module throws an `AddonError` where there is none. */
export const addon: Addon = loadAddon({
  platform,
  version: load('../package.json').version,
  // Both paths hold for `ts/` and for `dist/`, which lie side by side. A published package has no such file.
  file: fileURLToPath(new URL(`../ts/native/millrace.${platform}.node`, import.meta.url)),
  load,
});
