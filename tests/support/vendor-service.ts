import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { EvidenceFiles } from '../../packages/evidence/src/index.ts';

/** How a path is answered; a function does it itself. */
export type Answer =
  | { status?: number; headers?: Record<string, string>; body?: Uint8Array | string }
  | ((request: IncomingMessage, response: ServerResponse) => void);

/** A test double of a vendor's service: an HTTP server on this machine that answers paths, and remembers what it was asked. */
export interface VendorService {
  /** Without a slash at its end. */
  url: string;
  /** Paths with their queries, in the order of asking. */
  asked: string[];
  /** By path with its query, or by path alone. What is not there is answered with 404. */
  answers: Map<string, Answer>;
}

/** Starts one that ends with the test. */
export async function vendorService(t: TestContext, answers: Iterable<[string, Answer]> = []): Promise<VendorService> {
  const service: VendorService = { url: '', asked: [], answers: new Map(answers) };
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    service.asked.push(path);
    const answer = service.answers.get(path) ?? service.answers.get(path.replace(/\?.*$/, '')) ?? { status: 404 };
    if (typeof answer === 'function') answer(request, response);
    else response.writeHead(answer.status ?? 200, answer.headers).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  service.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return service;
}

/** What a key distribution service answers for the certificates of a generated report. */
export function kdsAnswers(product: string, vcekPath: string, { vcek, chain, crl }: EvidenceFiles): [string, Answer][] {
  const base = `/vcek/v1/${product}`;
  return [
    [`${base}/${vcekPath}`, { body: vcek ?? '' }],
    [`${base}/cert_chain`, { body: chain ?? '' }],
    [`${base}/crl`, { body: crl ?? '' }],
  ];
}

/** What a caching provisioning certification service answers for the collateral of a generated quote. */
export function pcsAnswers(fmspc: string, files: EvidenceFiles): [string, Answer][] {
  const chain = (name: string, role: string) => ({
    [name]: encodeURIComponent(Buffer.from(files[role] ?? []).toString()),
  });
  const body = (role: string) => files[role] ?? '';
  return [
    [
      `/tdx/certification/v4/tcb?fmspc=${fmspc}`,
      { body: body('tcb_info'), headers: chain('TCB-Info-Issuer-Chain', 'tcb_chain') },
    ],
    [
      '/tdx/certification/v4/qe/identity',
      { body: body('qe_identity'), headers: chain('SGX-Enclave-Identity-Issuer-Chain', 'qe_chain') },
    ],
    [
      '/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
      { body: body('pck_crl'), headers: chain('SGX-PCK-CRL-Issuer-Chain', 'pck_crl_chain') },
    ],
    ['/sgx/certification/v4/rootcacrl', { body: Buffer.from(body('root_crl')).toString('hex') }],
  ];
}
