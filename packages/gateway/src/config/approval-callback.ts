import { resolve } from 'node:path';
import { duration, oneOf, path, required, section, setting, text } from './readers.ts';
import { serviceUrl } from './service-url.ts';

/** The operator's machine that is asked about calls that policy defers. */
export type CallbackConfig = {
  url: string;
  /** What entries call it, and by what approvers may be named. */
  name: string;
  /** Absolute path. */
  secretFile: string;
  timeoutMs: number;
  sendArguments: boolean;
};

const name = text('a name of 1 to 64 letters, digits and -_., such as risk-engine', (given) =>
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(given) ? given : undefined,
);

/** `approvals.callback`. */
export const approvalCallback = section('a callback', {
  url: required(serviceUrl('https://risk.example/approvals'), 'Where a request for approval is sent, signed.'),
  secret_file: required(
    path('./secrets/callback'),
    'File with the secret that signs both ways: whsec_ and base64 of 24 to 64 bytes (Standard Webhooks).',
  ),
  name: setting(name, 'callback', 'What entries call it; `approvals.approvers` may name it as an operator.'),
  timeout: setting(duration('50ms', '60s'), '5s', 'How long it may take to accept a request. It may answer later.'),
  send_arguments: setting(
    oneOf('true', 'false'),
    'false',
    'Whether it is sent the arguments of the call. Otherwise it is sent their digest.',
  ),
});

export function callbackOf(
  folder: string,
  given: NonNullable<ReturnType<typeof approvalCallback.read>>,
): CallbackConfig {
  return {
    url: given.url,
    name: given.name,
    secretFile: resolve(folder, given.secret_file),
    timeoutMs: given.timeout,
    sendArguments: given.send_arguments === 'true',
  };
}
