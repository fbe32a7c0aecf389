import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { ServerConfig } from '../options/config.js';
import { OptionError } from '../options/error.js';

/** A certificate chain and its private key, both PEM. */
export type Certificate = { readonly cert: string; readonly key: string };

/**
 * The certificate for HTTPS: the one of the options, or a new self-signed one for these addresses.
 *
 * @throws {@link OptionError} when a file cannot be read.
 */
export async function certificate(config: ServerConfig, addresses: readonly string[]): Promise<Certificate> {
  const { tlsCert, tlsKey } = config;
  if (tlsCert !== undefined && tlsKey !== undefined) {
    const [cert, key] = await Promise.all([readPem('tlsCert', tlsCert), readPem('tlsKey', tlsKey)]);
    return { cert, key };
  }
  return await selfSigned(addresses);
}

async function readPem(option: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new OptionError(`${option}: cannot read ${path}: ${(error as NodeJS.ErrnoException).code}`);
  }
}

async function selfSigned(addresses: readonly string[]): Promise<Certificate> {
  // Loaded only here, because most servers never need it.
  const { generate } = await import('selfsigned');
  const altNames = [
    { type: 2 as const, value: 'localhost' },
    ...addresses.map((address) =>
      isIP(address) === 0 ? { type: 2 as const, value: address } : { type: 7 as const, ip: address },
    ),
  ];
  const pem = await generate([{ name: 'commonName', value: 'millrace' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + VALIDITY_MS),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames },
    ],
  });
  return { cert: pem.cert, key: pem.private };
}

/** 90 days: a self-signed certificate is made anew at each start. */
const VALIDITY_MS = 90 * 24 * 60 * 60 * 1000;
