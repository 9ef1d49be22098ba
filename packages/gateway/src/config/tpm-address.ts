import type { TpmAddress } from '../attestation/tpm/api.ts';

/** `/dev/tpmrm0`, `tcp:127.0.0.1:2321`, `tcp:[::1]:2321` or `unix:/run/tpm.sock`. Paths are absolute. */
export function parseTpmAddress(text: string): TpmAddress | undefined {
  const [, bracketed, plain, digits] =
    /^tcp:(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):([1-9]\d{0,4})$/.exec(text) ?? [];
  if (digits !== undefined) {
    const port = Number(digits);
    return port <= 65_535 ? { kind: 'tcp', host: bracketed ?? plain ?? '', port } : undefined;
  }
  const unix = text.startsWith('unix:');
  const path = unix ? text.slice('unix:'.length) : text;
  if (!/^\/[\x20-\x7e]{1,255}$/.test(path)) return undefined;
  return unix ? { kind: 'unix', path } : { kind: 'device', path };
}
