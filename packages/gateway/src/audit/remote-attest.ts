import { GatewayError } from '../errors.ts';
import type { SessionEvidence } from './evidence.ts';
import type { AttestReply, AttestRequest } from './protocol.ts';

interface Asked {
  resolve(evidence: SessionEvidence): void;
  reject(error: GatewayError): void;
}

/** The platform as the log worker sees it: another thread holds the device, and answers what it is asked. */
export class RemotePlatform {
  readonly #post: (request: AttestRequest) => void;
  readonly #asked = new Map<number, Asked>();
  #nextId = 1;

  constructor(post: (request: AttestRequest) => void) {
    this.#post = post;
  }

  attest(bound: Uint8Array): Promise<SessionEvidence> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#asked.set(id, { resolve, reject });
      this.#post({ attest: id, bound });
    });
  }

  settle(reply: AttestReply): void {
    const asked = this.#asked.get(reply.attest);
    this.#asked.delete(reply.attest);
    if ('evidence' in reply) asked?.resolve(reply.evidence);
    else asked?.reject(new GatewayError(reply.failure.code, reply.failure.detail));
  }
}
