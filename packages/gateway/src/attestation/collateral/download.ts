import { GatewayError } from '../../errors.ts';
import { FetchError, type Fetched, type Fetcher } from './fetcher.ts';

/** More than any certificate, list or document of collateral has. */
const MOST = 1024 * 1024;
const MOST_REDIRECTS = 3;

/** How collateral is fetched, and who hears of it. */
export interface Downloads {
  fetch: Fetcher;
  /** Told what is being fetched, one line each. */
  say: (line: string) => void;
}

/**
 * Gets `url`. Over https alone, but to this machine; a redirect leads to no other host, for the host was chosen by whoever ran the
 * command.
 *
 * @param what names it in messages, e.g. `the VCEK`
 * @throws GatewayError COLLATERAL_UNAVAILABLE
 */
export async function download({ fetch, say }: Downloads, what: string, url: URL): Promise<Fetched> {
  let at = url;
  for (let followed = 0; followed <= MOST_REDIRECTS; followed++) {
    refuseUnsafe(at, what);
    say(`${what}: ${at.href}`);
    const answer = await got(fetch, what, at);
    if (answer.status === 200) {
      if (answer.body.length === 0) throw unavailable(what, at, 'the answer is empty');
      return answer;
    }
    at = redirected(answer, what, at);
  }
  throw unavailable(what, url, `it redirects more than ${MOST_REDIRECTS} times`);
}

async function got(fetch: Fetcher, what: string, url: URL): Promise<Fetched> {
  try {
    return await fetch(url, MOST);
  } catch (error) {
    if (error instanceof FetchError) throw unavailable(what, url, error.message, error);
    throw error;
  }
}

/** Where an answer that is not the one sends us. @throws GatewayError COLLATERAL_UNAVAILABLE */
function redirected({ status, header }: Fetched, what: string, from: URL): URL {
  const location = [301, 302, 303, 307, 308].includes(status) ? header('location') : null;
  if (location === null) throw unavailable(what, from, refusal(status, header('retry-after')));
  const to = URL.canParse(location, from.href) ? new URL(location, from.href) : null;
  if (to?.host !== from.host || to.protocol !== from.protocol) {
    throw unavailable(
      what,
      from,
      `it redirects to ${JSON.stringify(location)}, which is another host and not followed`,
    );
  }
  return to;
}

function refusal(status: number, retryAfter: string | null): string {
  if (status === 404) return 'it does not know this one (404)';
  if (status !== 429) return `it answers with status ${status}`;
  const wait = retryAfter !== null && /^\d{1,6}$/.test(retryAfter) ? `${retryAfter} seconds` : 'a few minutes';
  return `it is asked too often (429): wait ${wait}, then run the command again`;
}

function refuseUnsafe(url: URL, what: string): void {
  if (url.username !== '' || url.password !== '') throw unavailable(what, url, 'a URL with a password is not fetched');
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isThisMachine(url.hostname))) return;
  throw unavailable(what, url, 'only https is fetched, and http from this machine');
}

function isThisMachine(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function unavailable(what: string, url: URL, problem: string, cause?: unknown): GatewayError {
  const shown = `${url.origin}${url.pathname}`;
  return new GatewayError('COLLATERAL_UNAVAILABLE', `${what} from ${shown}: ${problem}`, { cause });
}
