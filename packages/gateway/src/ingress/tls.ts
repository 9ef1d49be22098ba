import { constants } from 'node:crypto';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket, TlsOptions } from 'node:tls';
import type { Clock } from '../clock.ts';
import type { Config, TlsConfig } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import type { Timers } from '../timers.ts';
import { readTlsFiles, type TlsIdentity } from './tls-files.ts';
import { generateTlsIdentity } from './tls-generated.ts';

export interface ListenerTlsDeps {
  clock: Clock;
  timers: Timers;
  /** For operators: a code or event name, and what happened. */
  report: (event: string, detail: string) => void;
  /** Who connects, for messages. */
  clients?: string;
}

/** How often the files are looked at, milliseconds. Reading is surer than being told: tools replace files, folders and links. */
const LOOK_MS = 10_000;
const HANDSHAKE_TIMEOUT = 10_000;

/** Forward secrecy and authenticated encryption only (RFC 9325 section 4.2). */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

const TERMS = {
  minVersion: 'TLSv1.2',
  ciphers: CIPHERS,
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
} as const;

/**
 * Where the certificate of a client is its identity, each connection shows it anew: a resumed one would bring what a ticket kept, which
 * is the leaf without its chain. TLS leaves the judgement to `identity`, so it has no authorities of its own to consult.
 */
const IDENTIFYING = { secureOptions: TERMS.secureOptions | constants.SSL_OP_NO_TICKET, ca: [] };

/**
 * What the listener for agents shows: certificate and key of the configuration, which are read again when they change, or a key of
 * its own; and whose certificates its clients must show, which says nothing of who they are. A certificate that is renewed for the same key changes nothing that was attested; another key does, and listeners are
 * told.
 */
export class ListenerTls {
  readonly #config: TlsConfig;
  /** Whether clients are asked for a certificate that says who they are. They may do without. */
  readonly #identifies: boolean;
  readonly #deps: ListenerTlsDeps;
  #identity: TlsIdentity;
  #server: Server | null = null;
  #onNewKey: (spki: string) => void = () => {};
  /** Those that were opened since the key is shown, and since these authorities let them in. */
  #connections = new WeakSet<Socket>();
  /** What was reported of the files last: one state of them is reported once. */
  #reported: string | null = null;
  /** One reading at a time, so that an older one never follows a newer one. */
  #reading: Promise<unknown> = Promise.resolve();
  readonly #stop: () => void;

  private constructor(config: TlsConfig, identifies: boolean, identity: TlsIdentity, deps: ListenerTlsDeps) {
    this.#config = config;
    this.#identifies = identifies;
    this.#identity = identity;
    this.#deps = deps;
    this.#stop = deps.timers.every(LOOK_MS, () => void this.#look());
  }

  /** @throws GatewayError TLS_INVALID */
  static async open(
    config: Pick<Config, 'listen' | 'allowedHosts'> & { tls: TlsConfig; identity?: Pick<Config['identity'], 'spiffe'> },
    deps: ListenerTlsDeps,
  ): Promise<ListenerTls> {
    const now = deps.clock.nowMicros() / 1000;
    const { tls } = config;
    const identity =
      tls.kind === 'files' ? await readTlsFiles(tls, now) : await generateTlsIdentity(namesOf(config), now);
    return new ListenerTls(tls, (config.identity?.spiffe ?? null) !== null, identity, deps);
  }

  /** SHA-256 of the SubjectPublicKeyInfo of the key that is shown now, `sha256:…`. */
  get spki(): string {
    return this.#identity.spki;
  }

  /** For the server that {@link present} is then told of. */
  get options(): TlsOptions {
    const mutual = this.#identity.clientCa !== null;
    return {
      ...this.#context(),
      handshakeTimeout: HANDSHAKE_TIMEOUT,
      requestCert: mutual || this.#identifies,
      rejectUnauthorized: mutual,
    };
  }

  /** The server whose certificate is kept up to date. */
  present(server: Server): void {
    this.#server = server;
    server.on('secureConnection', (socket: TLSSocket) => this.#connections.add(socket));
  }

  /** Whether a connection ends at a key that is not shown any more: it should not be used for long. */
  isOutdated(connection: Socket): boolean {
    return !this.#connections.has(connection);
  }

  /** Told of every change of the key, after new connections get the new one. */
  onNewKey(listener: (spki: string) => void): void {
    this.#onNewKey = listener;
  }

  /** Reads the files now. Rejects with TLS_INVALID, and keeps what is in use, when they are no good. */
  reload(): Promise<void> {
    const read = this.#reading.then(() => this.#read());
    this.#reading = Promise.allSettled([read]);
    return read;
  }

  async #read(): Promise<void> {
    if (this.#config.kind !== 'files') return;
    const next = await readTlsFiles(this.#config, this.#nowMs());
    const before = this.#identity;
    const sameClients = next.clientCa === before.clientCa;
    if (next.certificate === before.certificate && next.key === before.key && sameClients) return;
    this.#identity = next;
    // With it come other keys for session tickets: nobody resumes, without a certificate, what another key began.
    this.#server?.setSecureContext(this.#context());
    if (!sameClients) {
      // Who was let in by authorities of before should not stay for long.
      this.#connections = new WeakSet();
      this.#deps.report('tls.client_ca_changed', 'the authorities of client certificates were replaced');
    }
    if (next.spki === before.spki) {
      if (next.certificate !== before.certificate)
        this.#deps.report('tls.renewed', `the certificate of key ${next.spki} was renewed`);
      return;
    }
    this.#connections = new WeakSet();
    this.#deps.report('tls.key_changed', `${this.#deps.clients ?? 'agents'} now connect to key ${next.spki}`);
    this.#onNewKey(next.spki);
  }

  close(): void {
    this.#stop();
  }

  async #look(): Promise<void> {
    try {
      await this.reload();
      this.#reported = null;
    } catch (error) {
      const problem = error instanceof GatewayError ? error.detail : String(error);
      if (problem === this.#reported) return;
      this.#reported = problem;
      this.#deps.report('TLS_INVALID', `${problem}; what was read before stays in use`);
    }
  }

  #context(): TlsOptions {
    const { certificate, key, clientCa } = this.#identity;
    const identifying = this.#identifies || clientCa !== null ? IDENTIFYING : {};
    return { ...TERMS, ...identifying, cert: certificate, key, ...(clientCa === null ? {} : { ca: clientCa }) };
  }

  #nowMs(): number {
    return this.#deps.clock.nowMicros() / 1000;
  }
}

/** What clients may call the listener by. */
function namesOf({ listen, allowedHosts }: Pick<Config, 'listen' | 'allowedHosts'>): string[] {
  const hosts = allowedHosts.map((host) => host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'));
  return ['localhost', '127.0.0.1', '::1', listen.host, ...hosts];
}
