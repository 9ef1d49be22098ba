import { Buffer } from 'node:buffer';
import type { Caller } from '../../packages/gateway/src/caller.ts';
import type { IdentitySource } from '../../packages/gateway/src/identity/types.ts';

const SCHEME = 'Bearer caller.';

/** A credential that says all that a caller can be. Good only at a gateway that was given {@link anyCaller}. */
export function tokenOf(caller: Caller): string {
  return `caller.${Buffer.from(JSON.stringify(caller)).toString('base64url')}`;
}

/** Lets a test be any caller: what such a token says is believed. */
export const anyCaller: IdentitySource = {
  identify: async ({ headers }) => {
    const [value = ''] = headers('authorization');
    if (!value.startsWith(SCHEME)) return null;
    return JSON.parse(Buffer.from(value.slice(SCHEME.length), 'base64url').toString()) as Caller;
  },
  challenge: () => null,
};
