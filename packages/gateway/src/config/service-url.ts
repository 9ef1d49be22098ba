import { isLoopback } from './address.ts';
import { type Reader, text } from './readers.ts';

/** Where a service of the operator's own is, that the gateway asks. */
export function serviceUrl(example: string): Reader<string> {
  return text(`an https URL without credentials, or http on this machine, such as ${example}`, (given) => {
    const url = URL.parse(given);
    if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return undefined;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const usable =
      url.protocol === 'https:' || (url.protocol === 'http:' && (host === 'localhost' || isLoopback(host)));
    return usable ? given : undefined;
  });
}
