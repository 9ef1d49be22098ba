import { encodeHex } from '../bytes/hex.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import type { EvidenceFiles, TrustAnchor } from '../hardware/given.ts';
import { utcText } from '../time.ts';
import { issueCrl, newKeyPair, type TestCertificate, testAnchor } from './pki.ts';
import { makeTdxPki, type TdxPki } from './tdx-pki.ts';
import {
  filled,
  joinBytes,
  type PlatformSpec,
  QE_ATTRIBUTES,
  QE_MR_SIGNER,
  type QuoteSpec,
  writeQuote,
} from './tdx-quote.ts';

/** The time at which evidence of {@link makeTdx} is valid, unless it is asked for another. */
export const TDX_AT = 1_790_000_000;

/** The platform that PCK certificate and TCB info of {@link makeTdx} are about, unless it is asked for another. */
export const TDX_PLATFORM: PlatformSpec = {
  fmspc: Uint8Array.of(0x50, 0x80, 0x6f, 0, 0, 0),
  pceId: new Uint8Array(2),
  pceSvn: 11,
  components: filled(16, 2),
};

/** A TCB info or QE identity as it is written, before it is signed. */
export type CollateralBody = Record<string, unknown>;

/** What the evidence should be like; what is left out is that of a sound guest on a platform that is up to date. */
export interface TdxOptions extends Partial<Omit<QuoteSpec, 'version' | 'certificates' | 'pck'>> {
  version?: 4 | 5;
  /** Seconds since the epoch. */
  at?: number;
  /** Shorthand of `guest.reportData`: at most 64 bytes, zeros follow. */
  reportData?: Uint8Array;
  platform?: Partial<PlatformSpec>;
  /** Keys and certificates of an earlier call; fresh ones otherwise. */
  pki?: TdxPki;
  /** Where the PCK chain is: in the quote as PEM (default) or as DER, or beside it in the role pck_chain. */
  chain?: 'pem' | 'der' | 'beside';
  /** false: the quote alone. */
  collateral?: boolean;
  /** Changes the document before it is signed. */
  tcbInfo?: (body: CollateralBody) => CollateralBody;
  qeIdentity?: (body: CollateralBody) => CollateralBody;
  /** Who signs TCB info and QE identity, and with which chain. */
  signer?: TestCertificate;
  /** Certificates that the CRLs take back. */
  revoked?: readonly ('ca' | 'pck' | 'signer')[];
}

/** Evidence that verifies under `root`, and under no other. */
export interface TdxEvidence {
  files: EvidenceFiles;
  root: TrustAnchor;
  /** Seconds since the epoch at which all of it is valid. */
  at: number;
  pki: TdxPki;
  /** The collateral in one file, for the role collateral. */
  bundle: Uint8Array<ArrayBuffer>;
}

/**
 * Makes a TDX quote under a fresh test root, with TCB info, QE identity and CRLs that call it up to date: `tdxEvidence(files,
 * {at, anchors: [root]})` finds it authentic and acceptable. For session fixtures: pass the 64-byte nonce as `reportData` and use
 * `files.quote`.
 */
export async function makeTdx(options: TdxOptions = {}): Promise<TdxEvidence> {
  const { at = TDX_AT, version = 4 } = options;
  const platform = { ...TDX_PLATFORM, ...options.platform };
  const pki = options.pki ?? (await makeTdxPki(platform));
  const guest = { ...(options.reportData === undefined ? {} : { reportData: options.reportData }), ...options.guest };
  const quote = await writeQuote({
    attestationKey: await newKeyPair('p256'),
    tdx15: version === 5,
    ...options,
    version,
    guest,
    certificates: chainBytes(pki, options.chain ?? 'pem'),
    pck: pki.pck.keys,
  });
  const files: Record<string, Uint8Array<ArrayBuffer>> = { quote };
  if (options.chain === 'beside') files.pck_chain = chainBytes(pki, 'pem');
  const collateral = await makeCollateral(pki, platform, at, options);
  if (options.collateral !== false) Object.assign(files, collateral.files);
  return { files, root: testAnchor(pki.root, 'intel-sgx'), at, pki, bundle: collateral.bundle };
}

function chainBytes({ pck, ca, root }: TdxPki, form: 'pem' | 'der' | 'beside'): Uint8Array<ArrayBuffer> {
  if (form === 'beside') return new Uint8Array();
  // Quoting services end the PEM text with a zero byte.
  if (form === 'pem') return encodeUtf8(`${pemChain(pck, ca, root)}\0`);
  return joinBytes(pck.der, ca.der, root.der);
}

/** Certificates as one PEM text. */
export function pemChain(...certificates: readonly TestCertificate[]): string {
  return certificates.map(({ pem }) => `${pem}\n`).join('');
}

async function makeCollateral(
  pki: TdxPki,
  platform: PlatformSpec,
  at: number,
  { tcbInfo = same, qeIdentity = same, signer = pki.signer, revoked = [] }: TdxOptions,
): Promise<{ files: Record<string, Uint8Array<ArrayBuffer>>; bundle: Uint8Array<ArrayBuffer> }> {
  const [issued, nextUpdate] = [at - 7 * 86_400, at + 23 * 86_400];
  const dates = { issueDate: utcText(issued), nextUpdate: utcText(nextUpdate), tcbEvaluationDataNumber: 17 };
  const info = JSON.stringify(tcbInfo(tcbInfoBody(platform, dates)));
  const identity = JSON.stringify(qeIdentity(qeIdentityBody(dates)));
  const sign = async (body: string) => encodeHex(await signer.keys.sign(encodeUtf8(body)));
  const [infoSignature, identitySignature] = [await sign(info), await sign(identity)];
  const serials = (...names: ('ca' | 'pck' | 'signer')[]) =>
    names.filter((name) => revoked.includes(name)).map((name) => pki[name].certificate.serial);
  const crl = { thisUpdate: issued, nextUpdate };
  const pckCrl = await issueCrl({ issuer: pki.ca, revoked: serials('pck'), ...crl });
  const rootCrl = await issueCrl({ issuer: pki.root, revoked: serials('ca', 'signer'), ...crl });
  const [signerChain, crlChain] = [pemChain(signer, pki.root), pemChain(pki.ca, pki.root)];
  return {
    files: {
      tcb_info: encodeUtf8(`{"tcbInfo":${info},"signature":"${infoSignature}"}`),
      tcb_chain: encodeUtf8(signerChain),
      qe_identity: encodeUtf8(`{"enclaveIdentity":${identity},"signature":"${identitySignature}"}`),
      qe_chain: encodeUtf8(signerChain),
      pck_crl: pckCrl,
      root_crl: rootCrl,
      pck_crl_chain: encodeUtf8(crlChain),
    },
    bundle: encodeUtf8(
      JSON.stringify({
        tcb_info: info,
        tcb_info_signature: infoSignature,
        tcb_info_issuer_chain: signerChain,
        qe_identity: identity,
        qe_identity_signature: identitySignature,
        qe_identity_issuer_chain: signerChain,
        pck_crl: encodeHex(pckCrl),
        root_ca_crl: encodeHex(rootCrl),
        pck_crl_issuer_chain: crlChain,
      }),
    ),
  };
}

function same(body: CollateralBody): CollateralBody {
  return body;
}

const NO_SIGNER = { mrsigner: '0'.repeat(96), attributes: '0'.repeat(16), attributesMask: 'F'.repeat(16) };

function tcbInfoBody({ fmspc, pceId, components, pceSvn }: PlatformSpec, dates: CollateralBody): CollateralBody {
  const level = (tcbStatus: string, less: number) => ({
    tcb: {
      sgxtcbcomponents: Array.from(components, (svn) => ({ svn: svn - less })),
      pcesvn: pceSvn - less,
      tdxtcbcomponents: Array.from({ length: 16 }, (_, i) => ({ svn: i === 2 ? 3 - less : 0 })),
    },
    tcbDate: '2026-01-01T00:00:00Z',
    tcbStatus,
  });
  return {
    id: 'TDX',
    version: 3,
    ...dates,
    fmspc: encodeHex(fmspc).toUpperCase(),
    pceId: encodeHex(pceId),
    tcbType: 0,
    tdxModule: NO_SIGNER,
    tdxModuleIdentities: [
      {
        id: 'TDX_01',
        ...NO_SIGNER,
        tcbLevels: [
          { tcb: { isvsvn: 5 }, tcbStatus: 'UpToDate' },
          { tcb: { isvsvn: 3 }, tcbStatus: 'OutOfDate', advisoryIDs: ['INTEL-SA-01036'] },
        ],
      },
    ],
    tcbLevels: [level('UpToDate', 0), { ...level('OutOfDate', 1), advisoryIDs: ['INTEL-SA-00960'] }],
  };
}

function qeIdentityBody(dates: CollateralBody): CollateralBody {
  return {
    id: 'TD_QE',
    version: 2,
    ...dates,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: `11${encodeHex(QE_ATTRIBUTES).slice(2, 16)}${'0'.repeat(16)}`,
    attributesMask: `FB${'F'.repeat(14)}${'0'.repeat(16)}`,
    mrsigner: encodeHex(QE_MR_SIGNER).toUpperCase(),
    isvprodid: 2,
    tcbLevels: [
      { tcb: { isvsvn: 6 }, tcbStatus: 'UpToDate' },
      { tcb: { isvsvn: 4 }, tcbStatus: 'OutOfDate', advisoryIDs: ['INTEL-SA-01073'] },
    ],
  };
}
