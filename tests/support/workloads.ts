import { once } from 'node:events';
import { Agent, type AgentOptions, request } from 'node:https';
import { type CertificateTerms, certificate, selfSigned, type TestCertificate } from './certificate.ts';
import { modern } from './ingress.ts';

/** Of the gateway. */
export const SERVER = selfSigned('gateway');

/** What a workload shows: its chain, leaf first, and its key. */
export interface Svid {
  cert: string;
  key: string;
}

type Authority = TestCertificate & { name: string };

/** Bits of the key usage: may sign; may issue certificates and lists. */
export const SIGNS = 0x80;
export const ISSUES = 0x06;

/** What every good X509-SVID of these tests says. */
export const GOOD: CertificateTerms = { nowhere: true, usage: SIGNS, purposes: ['server', 'client'] };

/** A certificate that issues others. */
export function authority(name: string, terms: CertificateTerms = {}): Authority {
  return { ...certificate(name, { authority: true, nowhere: true, usage: ISSUES, ...terms }), name };
}

/** The authorities of one trust domain, a root and one below it, and the workloads that they name. */
export class TrustDomain {
  readonly name: string;
  readonly root: Authority;
  readonly issuing: Authority;

  constructor(name: string) {
    this.name = name;
    this.root = authority(`${name} root`);
    this.issuing = authority(`${name} issuing`, { issuer: this.root });
  }

  /** The SVID of a path below the trust domain, on other terms where given. */
  svid(path: string, terms: CertificateTerms = {}): Svid {
    const uris = [`spiffe://${this.name}${path}`];
    const leaf = certificate('workload', { ...GOOD, uris, issuer: this.issuing, ...terms });
    return { cert: leaf.cert + this.issuing.cert, key: leaf.key };
  }
}

/** DER of a certificate in PEM. */
export function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
}

export interface Answered {
  status: number;
  /** The tool answered. */
  allowed: boolean;
  code: string | null;
  reused: boolean;
}

export interface Asked {
  token?: string;
  agent?: Agent;
  /** Address that the client connects from: failed attempts are counted by it. */
  from?: string;
  options?: AgentOptions;
}

/** One call of the tool by whoever shows `svid`. */
export async function call(
  url: URL,
  svid: Svid | null,
  { token, agent, from = '127.0.0.1', options = {} }: Asked = {},
): Promise<Answered> {
  const sent = modern('tools/call', { name: 'echo', arguments: {} });
  const own = new Agent({ ca: SERVER.cert, localAddress: from, ...svid, ...options });
  const posted = request(url, {
    method: 'POST',
    agent: agent ?? own,
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      ...sent.headers,
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
  });
  posted.end(JSON.stringify(sent.body));
  const [response] = await once(posted, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  own.destroy();
  const body = JSON.parse(text);
  const code = body.error?.data?.error_code ?? null;
  return { status: response.statusCode, allowed: body.result !== undefined, code, reused: posted.reusedSocket };
}
