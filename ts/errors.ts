/**
 * The base of every error class of this package. Arguments of the wrong shape are the exception: they give the built-in
 * `TypeError`, with the same `code` property.
 */
export class MillraceError extends Error {
  override name = 'MillraceError';

  /** What went wrong, for programs to compare: `ERR_…`. It never changes between versions; the message may. */
  readonly code: string;

  constructor(message: string, code = 'ERR_INTERNAL', options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What was asked for is not supported by this version, this platform or this peer. The message names it. */
export class UnsupportedError extends MillraceError {
  override name = 'UnsupportedError';

  constructor(message: string, code = 'ERR_UNSUPPORTED', options?: ErrorOptions) {
    super(message, code, options);
  }
}

/**
 * The native addon of this platform is missing (`ERR_ADDON_MISSING`), of another version (`ERR_ADDON_VERSION`), cannot
 * be loaded (`ERR_ADDON_LOAD`) or does not exist (`ERR_UNSUPPORTED_PLATFORM`). Importing the package throws it; the
 * message says how to get the addon. `millrace/errors` can be imported without one.
 */
export class AddonError extends MillraceError {
  override name = 'AddonError';
}

/** The object's state forbids the call: it is connected already, and the like. */
export class InvalidStateError extends MillraceError {
  override name = 'InvalidStateError';

  constructor(message: string, code = 'ERR_INVALID_STATE', options?: ErrorOptions) {
    super(message, code, options);
  }
}

/**
 * The Worker is gone: it was closed before the call (`ERR_CLOSED`), or was closed or died while the call was under way
 * (`ERR_WORKER_CLOSED`).
 */
export class WorkerClosedError extends InvalidStateError {
  override name = 'WorkerClosedError';

  constructor(message: string, code = 'ERR_WORKER_CLOSED', options?: ErrorOptions) {
    super(message, code, options);
  }
}

/** An object does not exist, or no longer: the one that is named (`ERR_NOT_FOUND`) or the one called (`ERR_CLOSED`). */
export class NotFoundError extends MillraceError {
  override name = 'NotFoundError';

  constructor(message: string, code = 'ERR_NOT_FOUND', options?: ErrorOptions) {
    super(message, code, options);
  }
}

/** A documented bound was hit; the message names it. Nothing was created or changed. */
export class LimitError extends MillraceError {
  override name = 'LimitError';

  constructor(message: string, code = 'ERR_LIMIT_EXCEEDED', options?: ErrorOptions) {
    super(message, code, options);
  }
}

/**
 * A session description of a peer is no SDP, breaks WebRTC's rules or contradicts what was negotiated; the message names
 * the m-line. Nothing was changed. Codes: `ERR_INVALID_SDP`.
 */
export class SdpError extends MillraceError {
  override name = 'SdpError';

  constructor(message: string, code = 'ERR_INVALID_SDP', options?: ErrorOptions) {
    super(message, code, options);
  }
}
