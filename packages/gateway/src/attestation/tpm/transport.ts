/** Most bytes of an answer: what /dev/tpmrm0 gives at once (Linux, TPM_BUFSIZE). */
export const MAX_ANSWER_BYTES = 4096;

/** A connection to a TPM, on which commands and answers alternate. */
export interface Connection {
  /**
   * Sends one command and gives what came back, at most {@link MAX_ANSWER_BYTES} and otherwise unchecked. One at a time. Rejects with
   * TpmError `transport`, `response` or `closed`, after which the connection is of no more use.
   */
  exchange(command: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  /** Lets go. Resolves when the TPM is free for a next connection. */
  close(): Promise<void>;
}

/** A way to a TPM. */
export interface Transport {
  /** For errors: where the TPM is. */
  readonly place: string;
  /** Whether a resource manager keeps the objects of each connection apart, and flushes them when it closes. */
  readonly managed: boolean;
  /** Rejects with TpmError `transport`, or with the signal's reason. */
  connect(signal: AbortSignal): Promise<Connection>;
}
