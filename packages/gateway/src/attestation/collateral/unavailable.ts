import { EncodingError, FormatError } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';

/** Runs a parser of what came from elsewhere. @throws GatewayError COLLATERAL_UNAVAILABLE that begins with `problem` */
export function orUnavailable<T>(problem: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof EncodingError)) throw error;
    throw new GatewayError('COLLATERAL_UNAVAILABLE', `${problem}: ${error.message}`, { cause: error });
  }
}
