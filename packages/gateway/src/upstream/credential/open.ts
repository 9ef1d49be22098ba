import type { EndpointOptions, Peer } from '../http-endpoint.ts';
import type { MonotonicTimers } from '../monotonic.ts';
import { Credential } from './credential.ts';
import { fromCommand } from './from-command.ts';
import { fromFile } from './from-file.ts';
import { fromOAuth } from './from-oauth.ts';
import { tokenRequest } from './token-request.ts';
import type { CredentialSettings, Issued } from './types.ts';

export interface CredentialDeps {
  /** Environment that the allow-listed variables of a command are taken from. */
  baseEnv: Readonly<Record<string, string | undefined>>;
  /** Who may be at the other end of a token request. */
  peer: Peer;
  options: EndpointOptions;
  timers: MonotonicTimers;
}

/** The credential that a configuration describes. Nothing is read, run or asked before it is needed. */
export function openCredential({ source, lifetimeMs }: CredentialSettings, deps: CredentialDeps): Credential {
  const issue = (): Promise<Issued> => {
    switch (source.kind) {
      case 'file':
        return fromFile(source.path);
      case 'command':
        return fromCommand(source.argv, deps.baseEnv);
      case 'oauth':
        return fromOAuth(source, tokenRequest(deps.peer, deps.options, deps.timers));
    }
  };
  return new Credential(issue, lifetimeMs, deps.timers);
}
