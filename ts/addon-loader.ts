import { readFileSync } from 'node:fs';
import { AddonError } from './errors.js';

/** The addon's functions and classes. */
export type Addon = typeof import('#native');

/** The platforms that there is a binary for: the targets of `napi.targets`, as the names of their packages have them. */
export const PLATFORMS: readonly string[] = [
  'linux-x64-gnu',
  'linux-x64-musl',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'darwin-arm64',
  'win32-x64-msvc',
];

/** Where the addon is looked for. */
export type Place = {
  /** This machine: one of {@link PLATFORMS}, or another name of the same kind. */
  readonly platform: string;
  /** Version of this package, which the addon's must equal. */
  readonly version: string;
  /** A file that goes before the platform package: the addon of a clone. */
  readonly file: string;
  /** Loads a package or a file by its full path, as `require` does. */
  readonly load: (specifier: string) => unknown;
};

/**
 * Loads the addon: the one that a clone has built, or else the one of the platform package.
 *
 * @throws {@link AddonError} whose message says in one sentence what is missing and how to get it.
 */
export function loadAddon(place: Place): Addon {
  const addon = loadFile(place) ?? loadPackage(place);
  if (addon.version() !== place.version) {
    throw new AddonError(
      `millrace ${place.version} found the binary of version ${addon.version()} for ${place.platform}: install both anew, with \`npm install --include=optional millrace@${place.version}\``,
      'ERR_ADDON_VERSION',
    );
  }
  return addon;
}

/** The name of this machine: system, processor and, on Linux, the C library that this process runs on. */
export function thisPlatform(): string {
  const { platform, arch } = process;
  switch (platform) {
    case 'linux':
      return `linux-${arch}-${cLibrary()}`;
    case 'win32':
      return `win32-${arch}-msvc`;
    default:
      return `${platform}-${arch}`;
  }
}

/** musl's loader has its name in the list of what is mapped; where there is no list, most systems have glibc. */
function cLibrary(): 'gnu' | 'musl' {
  try {
    return readFileSync('/proc/self/maps', 'utf8').includes('/ld-musl-') ? 'musl' : 'gnu';
  } catch {
    return 'gnu';
  }
}

function loadFile({ file, load }: Place): Addon | undefined {
  try {
    return load(file) as Addon;
  } catch (error) {
    if (isMissing(error, file)) {
      return undefined;
    }
    throw cannotLoad(file, error);
  }
}

function loadPackage(place: Place): Addon {
  const name = packageOf(place.platform);
  try {
    return place.load(name) as Addon;
  } catch (error) {
    throw isMissing(error, name) ? missing(place) : cannotLoad(name, error);
  }
}

function missing(place: Place): AddonError {
  const { platform, version } = place;
  if (!PLATFORMS.includes(platform)) {
    return new AddonError(
      `millrace has no binary for ${platform}, only for ${PLATFORMS.join(', ')}`,
      'ERR_UNSUPPORTED_PLATFORM',
    );
  }
  const present = PLATFORMS.find((other) => other !== platform && isInstalled(place, other));
  const why = present
    ? `only ${packageOf(present)} is there, so it was installed on or for another system`
    : 'optional dependencies were left out, or the lockfile comes from another system';
  return new AddonError(
    `millrace needs the package ${packageOf(platform)}, which is not installed: ${why}; remove node_modules and run \`npm install --include=optional\` on this system, or \`npm install ${packageOf(platform)}@${version}\``,
    'ERR_ADDON_MISSING',
  );
}

/** A package of another platform that is there may well fail to load: then it is installed all the same. */
function isInstalled({ load }: Place, platform: string): boolean {
  try {
    load(`${packageOf(platform)}/package.json`);
    return true;
  } catch {
    return false;
  }
}

function cannotLoad(what: string, cause: unknown): AddonError {
  const reason = cause instanceof Error ? (cause.message.split('\n', 1)[0] as string) : String(cause);
  return new AddonError(
    `millrace found ${what} but cannot load it: ${reason}; Linux with glibc needs version 2.28 or newer, and a damaged file is mended by installing anew`,
    'ERR_ADDON_LOAD',
    { cause },
  );
}

/** Whether `specifier` itself was not found, and not something that it asks for in turn. */
function isMissing(error: unknown, specifier: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'MODULE_NOT_FOUND' && message.includes(`'${specifier}'`);
}

function packageOf(platform: string): string {
  return `millrace-${platform}`;
}
