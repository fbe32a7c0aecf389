import { typeError } from '../native-events.js';
import { EXTENSION_CODECS, type ExtensionName } from './extension-values.js';

/** A header extension and the number that stands for it on one wire; `rtpParameters.headerExtensions` has them. */
export type ExtensionId = { readonly uri: string; readonly id: number };

/**
 * Which header extension has which number on one peer's wire (RFC 8285 §5). The numbers are negotiated: they differ from
 * peer to peer. Make one of these for each stream, not for each packet.
 *
 * @example
 * ```ts
 * const ids = new ExtensionIds(consumer.rtpParameters.headerExtensions);
 * ```
 */
export class ExtensionIds {
  readonly #ids = new Map<string, number>();
  readonly #uris: (string | undefined)[] = [];

  /**
   * @param extensions - What was negotiated; numbers from 1 to 255.
   * @throws `TypeError` when a number is out of range or given twice.
   */
  constructor(extensions: Iterable<ExtensionId> = []) {
    for (const { uri, id } of extensions) {
      if (typeof uri !== 'string' || !Number.isInteger(id) || id < 1 || id > EXTENSION_ID_MAX) {
        throw typeError(
          `headerExtensions: expected a uri and an id from 1 to ${EXTENSION_ID_MAX}, got id ${String(id)}`,
        );
      }
      if (this.#uris[id] !== undefined) {
        throw typeError(`headerExtensions: id ${id} is given twice`);
      }
      this.#uris[id] = uri;
      this.#ids.set(uri, id);
      const name = NAMES.get(uri);
      if (name !== undefined) {
        this.#ids.set(name, id);
      }
    }
  }

  /** The number of an extension, by its name or its URI. */
  id(nameOrUri: ExtensionName | (string & {})): number | undefined {
    return this.#ids.get(nameOrUri);
  }

  /** The URI that has a number. */
  uri(id: number): string | undefined {
    return this.#uris[id];
  }

  /** The name of the extension that has a number, if it is one of {@link ExtensionName}. */
  name(id: number): ExtensionName | undefined {
    return NAMES.get(this.#uris[id] ?? '');
  }
}

/** Highest number of an element: it has 8 bits (RFC 8285 §4.3). Higher ones are refused. */
export const EXTENSION_ID_MAX = 255;

/** Names of extensions by URI. */
const NAMES = new Map(
  Object.entries(EXTENSION_CODECS).map(([name, { uri }]): [string, ExtensionName] => [uri, name as ExtensionName]),
);

/** No extension has a number. */
export const NO_EXTENSION_IDS: ExtensionIds = new ExtensionIds();
