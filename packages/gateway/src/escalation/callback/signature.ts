import { createHmac, timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { secretIn } from '../../upstream/credential/from-file.ts';

/** A message as one side signs it for the other (Standard Webhooks 1.0): header fields beside its body. */
export interface SignedFields {
  'webhook-id': string;
  /** Seconds since the epoch. */
  'webhook-timestamp': string;
  /** `v1,` and base64; several, separated by spaces, while a secret is replaced. */
  'webhook-signature': string;
}

const SECRET = /^whsec_([A-Za-z0-9+/]{32,88}={0,2})$/;
const LEAST_BYTES = 24;
const MOST_BYTES = 64;

/** The secret that gateway and callback share, which signs what each sends the other with HMAC-SHA256. */
export class WebhookSecret {
  readonly #key: Buffer;

  /**
   * @param text `whsec_` and base64 of 24 to 64 bytes
   * @throws GatewayError CONFIG_INVALID, which does not repeat it
   */
  constructor(text: string) {
    const [, encoded = ''] = SECRET.exec(text) ?? [];
    this.#key = Buffer.from(encoded, 'base64');
    const size = this.#key.length;
    if (size < LEAST_BYTES || size > MOST_BYTES || this.#key.toString('base64') !== encoded)
      throw new GatewayError('CONFIG_INVALID', 'the secret of the callback is not whsec_ and base64 of 24 to 64 bytes');
  }

  sign(id: string, seconds: number, body: string): SignedFields {
    const signature = this.#mac(id, String(seconds), Buffer.from(body)).toString('base64');
    return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': `v1,${signature}` };
  }

  /** Whether one of the signatures is over exactly these bytes. Each is compared, in constant time. */
  verifies(
    { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': given }: SignedFields,
    body: Uint8Array,
  ): boolean {
    const expected = this.#mac(id, at, body);
    const genuine = given.split(' ', 8).map((text) => {
      const [version, encoded = ''] = text.split(',', 2);
      const found = Buffer.from(encoded, 'base64');
      return version === 'v1' && found.length === expected.length && timingSafeEqual(found, expected);
    });
    return genuine.includes(true);
  }

  #mac(id: string, at: string, body: Uint8Array): Buffer {
    return createHmac('sha256', this.#key).update(`${id}.${at}.`).update(body).digest();
  }
}

/** @throws GatewayError CONFIG_INVALID */
export async function readWebhookSecret(file: string): Promise<WebhookSecret> {
  try {
    return new WebhookSecret(await secretIn(file));
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new GatewayError('CONFIG_INVALID', `approvals.callback.secret_file ${file}: ${error.detail}`);
  }
}
