import { TpmError } from '../../packages/gateway/src/attestation/tpm/error.ts';
import { commandFrame } from '../../packages/gateway/src/attestation/tpm/frame.ts';
import type { Transport } from '../../packages/gateway/src/attestation/tpm/transport.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** Answers one command; `number` counts from 0. */
export type Script = (command: Bytes, number: number) => Bytes | Promise<Bytes>;

/** A TPM that says what a test wants, with account of how it was used. */
export interface ScriptedTpm extends Transport {
  /** Commands, in order. */
  readonly sent: Bytes[];
  /** What became of each connection. */
  readonly connections: { closed: boolean }[];
}

/** @param managed whether it claims to have a resource manager; default true */
export function scriptedTpm(script: Script, managed = true): ScriptedTpm {
  const sent: Bytes[] = [];
  const connections: { closed: boolean }[] = [];
  return {
    place: 'a script',
    managed,
    sent,
    connections,
    connect: async () => {
      if (connections.some(({ closed }) => !closed)) throw new TpmError('transport', 'one connection at a time');
      const connection = { closed: false };
      connections.push(connection);
      return {
        exchange: async (command) => {
          if (connection.closed) throw new TpmError('closed', 'it is closed');
          sent.push(new Uint8Array(command));
          return script(new Uint8Array(command), sent.length - 1);
        },
        close: async () => {
          connection.closed = true;
        },
      };
    },
  };
}

/** An answer that is nothing but a response code. */
export function refused(code: number): Bytes {
  return commandFrame(code, false, new Uint8Array());
}

/** An answer of success to a command without sessions. */
export function success(...parts: (Uint8Array | readonly number[])[]): Bytes {
  return commandFrame(0, false, new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part)))));
}

/** A size of 16 bits in front. */
export function tpm2b(bytes: Uint8Array | readonly number[]): Bytes {
  return Uint8Array.of(bytes.length >> 8, bytes.length & 0xff, ...bytes);
}

export function u32(value: number): Bytes {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

/** TPM_CC of a command. */
export function codeOf(command: Bytes): number {
  return new DataView(command.buffer, command.byteOffset).getUint32(6);
}
