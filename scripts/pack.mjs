// `npm run pack`: makes the packages that are published, as tarballs in target/pack: `millrace`, and the platform
// package of this machine. What ships is put together in a folder there, so that the tree's own package.json can keep
// what only development needs. `npm run notices` only writes the licence notices anew.

import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bundleSdp, bundleServer, packagesOf } from './bundle.mjs';
import { checkNotices, crateNotices, NOTICES, npmNotices } from './notices.mjs';
import { buildReleaseAddon, faultsOf, inspectAddon, thisPlatform } from './release-addon.mjs';
import { BUILD_NEEDS, npmPackages, systemPackages } from './setup.mjs';
import { main, root, run, SetupError, step } from './steps.mjs';

/** Where everything is put together and the tarballs end up. */
export const PACK = join(root, 'target', 'pack');

/** The pages that ship beside the code. */
const PAGES = ['README.md', 'CHANGELOG.md', 'LICENSE', 'THIRD-PARTY-NOTICES.txt'];

/** What of package.json is for the clone alone. */
const DEVELOPMENT = ['private', 'scripts', 'devDependencies', 'napi', 'ava'];

/** Makes both tarballs; resolves to their paths. */
export async function pack() {
  rmSync(PACK, { recursive: true, force: true });
  const notices = await mainPackage();
  checkNotices('npm', notices);
  checkNotices('crates', crateNotices());
  const platform = await platformPackage();
  return { main: await tarball('millrace'), platform: await tarball(platform) };
}

/** Puts `millrace` together; resolves to the notices of what is bundled. */
async function mainPackage() {
  const folder = join(PACK, 'millrace');
  const dist = join(folder, 'dist');
  mkdirSync(folder, { recursive: true });
  const bundled = await step('Building the JavaScript that is published', async () => {
    await run('npx', ['--no-install', 'tsc', '-p', 'tsconfig.build.json', '--outDir', dist]);
    const libraries = [...(await bundleServer(dist)), ...(await bundleSdp(dist))];
    return [...libraries, ...(await buildPage(join(dist, 'app')))];
  });
  for (const page of PAGES) cpSync(join(root, page), join(folder, page));
  cpSync(join(root, 'ts', 'native', 'native.d.ts'), join(folder, 'ts', 'native', 'native.d.ts'), { recursive: true });
  const manifest = publishedManifest();
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  keepDeclarations(folder, Object.values(manifest.exports));
  return npmNotices([...new Set(bundled)].sort());
}

/** Builds the meet page; resolves to the folders of the packages in it. */
async function buildPage(outDir) {
  const { build } = await import('vite');
  const app = join(root, 'ts', 'app');
  const built = await build({
    root: app,
    configFile: join(app, 'vite.config.ts'),
    logLevel: 'warn',
    build: { outDir },
  });
  return packagesOf(built.output.flatMap(({ moduleIds }) => moduleIds ?? []));
}

/**
 * package.json as it is published. The platform packages are dependencies of this one only: the clone builds its own
 * binary and must not ask a registry for one.
 */
function publishedManifest() {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const platforms = readdirSync(join(root, 'npm'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const key of DEVELOPMENT) delete manifest[key];
  manifest.optionalDependencies = Object.fromEntries(
    platforms.map(({ name }) => [`millrace-${name}`, manifest.version]),
  );
  return manifest;
}

/** Removes the declarations that no export leads to: they name types of bundled libraries. */
function keepDeclarations(folder, entries) {
  const kept = new Set(entries.flatMap((entry) => (entry.types ? [join(folder, entry.types)] : [])));
  for (const file of kept) {
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(/from '(\.[^']+)\.js'/g)) {
      kept.add(join(dirname(file), `${specifier}.d.ts`));
    }
  }
  for (const name of readdirSync(join(folder, 'dist'), { recursive: true })) {
    const file = join(folder, 'dist', name);
    if (name.endsWith('.d.ts') && !kept.has(file)) rmSync(file);
  }
}

/** Puts the platform package together, with the binary in it; resolves to its name. */
async function platformPackage() {
  const platform = thisPlatform();
  const name = `millrace-${platform}`;
  const folder = join(PACK, name);
  const binary = join(folder, `millrace.${platform}.node`);
  cpSync(join(root, 'npm', platform), folder, { recursive: true });
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  cpSync(NOTICES.crates, join(folder, 'THIRD-PARTY-NOTICES.txt'));
  writeFileSync(
    join(folder, 'README.md'),
    `# ${name}\n\nThe binary of millrace for this platform. Install \`millrace\`, which brings it.\n`,
  );
  await buildReleaseAddon(platform, binary);
  const faults = platform.startsWith('linux') ? faultsOf(inspectAddon(binary)) : [];
  if (faults.length > 0) throw new SetupError(`${relative(root, binary)} ${faults.join(', ')}.`);
  return name;
}

async function tarball(name) {
  const quietly = ['--ignore-scripts', '--loglevel=error'];
  await run('npm', ['pack', join(PACK, name), '--pack-destination', PACK, ...quietly]);
  const file = join(PACK, `${name}-${JSON.parse(readFileSync(join(PACK, name, 'package.json'), 'utf8')).version}.tgz`);
  process.stdout.write(`  ${Math.round(statSync(file).size / 1000)} kB\n`);
  return file;
}

async function writeNotices() {
  rmSync(PACK, { recursive: true, force: true });
  writeFileSync(NOTICES.npm, '');
  writeFileSync(NOTICES.npm, await mainPackage());
  writeFileSync(NOTICES.crates, crateNotices());
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(async () => {
    await systemPackages(BUILD_NEEDS);
    await npmPackages();
    await (process.argv.includes('--notices') ? writeNotices() : pack());
  });
}
