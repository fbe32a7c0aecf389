import type { ServerOptions } from './options/config.js';
import { type Server, startServer } from './server.js';

export type { ServerConfig, ServerOptions } from './options/config.js';
export { OptionError } from './options/error.js';
export type { Server, ServerUrls } from './server.js';

/**
 * Starts a conference server in this process: the meet page, the signalling and the media behind them.
 *
 * @example
 * ```ts
 * const server = await createServer({ port: 8080 });
 * console.log(server.urls.start);
 * ```
 *
 * @throws {@link OptionError} when an option is unknown, a value is wrong, or a port is taken. Nothing is left open
 * then.
 */
export async function createServer(options: ServerOptions = {}): Promise<Server> {
  return await startServer(options);
}
