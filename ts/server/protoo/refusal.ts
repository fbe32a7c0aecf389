import { InvalidStateError, LimitError, NotFoundError, UnsupportedError } from '../../errors.js';
import { Logger } from '../../logger.js';

/** Refuses a request; the client gets the code and the reason. */
export class Refusal extends Error {
  override name = 'Refusal';

  /** Status code with the meaning it has in HTTP. */
  readonly status: number;

  constructor(status: number, reason: string) {
    super(reason);
    this.status = status;
  }
}

/** The refusal that stands for an error: what the client did wrong is told, what went wrong here is logged instead. */
export function refusalOf(error: unknown, method: string): Refusal {
  if (error instanceof Refusal) {
    return error;
  }
  const status = statusOf(error);
  if (status !== undefined) {
    return new Refusal(status, (error as Error).message);
  }
  logger.error(`request '${method}' failed`, error as Error);
  return new Refusal(500, 'the server failed');
}

function statusOf(error: unknown): number | undefined {
  const known = STATUS.find(([type]) => error instanceof type);
  // Without a code it is no refusal of an argument but a fault of this program.
  return known?.[0] === TypeError && !(error as { code?: unknown }).code ? undefined : known?.[1];
}

const STATUS: readonly [new (...args: never[]) => Error, number][] = [
  [TypeError, 400],
  [NotFoundError, 404],
  [InvalidStateError, 409],
  [LimitError, 429],
  [UnsupportedError, 501],
];

const logger = new Logger('Signalling');
