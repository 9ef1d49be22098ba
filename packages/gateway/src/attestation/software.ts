import { fileURLToPath } from 'node:url';
import { measureCode } from './measure.ts';

/** The gateway's measurement of its own files. */
export function measureSelf(): Promise<string> {
  return measureCode({
    gateway: fileURLToPath(new URL('..', import.meta.url)),
    evidence: fileURLToPath(new URL('.', import.meta.resolve('@cmcp/evidence'))),
  });
}
