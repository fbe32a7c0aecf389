/** An option is unknown, or its value is wrong. The message is one line: where, what was expected, what was there. */
export class OptionError extends TypeError {
  override name = 'OptionError';

  /** Always `ERR_INVALID_OPTION`. */
  readonly code = 'ERR_INVALID_OPTION';
}
