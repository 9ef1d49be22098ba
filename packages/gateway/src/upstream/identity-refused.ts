import { GatewayError } from '../errors.ts';

/** What would run, or who answers, is not what the catalog says: nothing of a call was sent. */
export class IdentityRefused extends GatewayError {
  constructor(detail: string, cause?: unknown) {
    super('UPSTREAM_UNAVAILABLE', detail, { cause });
  }
}
