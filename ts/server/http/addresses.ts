import { isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { ADDRESSES_MAX } from '../limits.js';
import type { ServerConfig } from '../options/config.js';

/** One address that the server listens on. */
export type ListenAddress = {
  /** IP address or host name. */
  readonly address: string;
  /** Whether only this machine reaches it. */
  readonly loopback: boolean;
};

/** An interface of this machine, as {@link networkInterfaces} tells of it. */
export type Interfaces = ReturnType<typeof networkInterfaces>;

/** The addresses that the options ask to listen on for HTTP, best first. */
export function listenAddresses(
  { host, lan }: Pick<ServerConfig, 'host' | 'lan'>,
  interfaces: Interfaces = networkInterfaces(),
): ListenAddress[] {
  const asked = host === LOCALHOST ? loopbackAddresses(interfaces) : [host];
  const network = lan ? networkAddresses(interfaces) : [];
  return [...new Set([...asked, ...network])].map((address) => ({ address, loopback: isLoopback(address) }));
}

/** The addresses that the options ask to listen on for media: concrete ones, so that each can be a candidate. */
export function mediaAddresses(
  config: Pick<ServerConfig, 'host' | 'lan'>,
  interfaces: Interfaces = networkInterfaces(),
): string[] {
  const addresses = listenAddresses(config, interfaces).map(({ address }) => address);
  const concrete = addresses.flatMap((address) =>
    WILDCARDS.has(address) ? anyAddresses(address, interfaces) : address,
  );
  return [...new Set(concrete)].filter((address) => isIP(address) !== 0);
}

/** Whether only this machine reaches the address. */
export function isLoopback(address: string): boolean {
  return address === LOCALHOST || address === '::1' || /^127(\.\d+){3}$/.test(address);
}

/** The address as the host of a URL: IPv6 in brackets (RFC 3986 §3.2.2). */
export function urlHost(address: string): string {
  return isIPv6(address) ? `[${address}]` : address;
}

/** Addresses under which a wildcard listener is reached, best first. */
export function anyAddresses(wildcard: string, interfaces: Interfaces = networkInterfaces()): string[] {
  const all = [...loopbackAddresses(interfaces), ...networkAddresses(interfaces)];
  return wildcard === '0.0.0.0' ? all.filter((address) => !isIPv6(address)) : all;
}

/** Addresses that mean all of them. */
export const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

function loopbackAddresses(interfaces: Interfaces): string[] {
  const has = Object.values(interfaces).some((list) => list?.some(({ address }) => address === '::1'));
  return has ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
}

function networkAddresses(interfaces: Interfaces): string[] {
  const found = Object.values(interfaces)
    .flatMap((list) => list ?? [])
    // A link-local address means nothing without a zone, and zones differ from machine to machine (RFC 4007 §6).
    .filter(({ address, internal }) => !internal && !/^(fe[89ab]|169\.254\.)/i.test(address))
    .map(({ address }) => address);
  const byFamily = [...found.filter((address) => !isIPv6(address)), ...found.filter((address) => isIPv6(address))];
  return byFamily.slice(0, ADDRESSES_MAX);
}

const LOCALHOST = 'localhost';
