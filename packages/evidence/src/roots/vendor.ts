import type { TrustAnchor } from '../hardware/given.ts';

type Assurance = TrustAnchor['assurance'];

function root(
  purpose: TrustAnchor['purposes'][number],
  assurance: Assurance,
  name: string,
  fingerprint: string,
): TrustAnchor {
  return { name, fingerprint, source: 'vendor', purposes: [purpose], assurance };
}

/**
 * The roots of attestation that are trusted unless the relying party says otherwise, by SHA-256 over the DER certificate as the
 * vendors publish it (AMD KDS, Intel PCS, NVIDIA attestation SDK, Azure and Google Cloud documentation). The certificates
 * themselves travel with the evidence. A cloud provider's virtual TPM is software of the provider, not a chip, and is named so.
 */
export const VENDOR_ANCHORS: readonly TrustAnchor[] = [
  root('amd-sev', 'silicon', 'AMD ARK Milan', '69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd'),
  root('amd-sev', 'silicon', 'AMD ARK Genoa', '4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1'),
  root('amd-sev', 'silicon', 'AMD ARK Turin', '1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a'),
  root('intel-sgx', 'silicon', 'Intel SGX Root CA', '44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3'),
  root(
    'nvidia-device',
    'silicon',
    'NVIDIA Device Identity CA',
    '102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48',
  ),
  root(
    'tpm',
    'cloud-vtpm',
    'Azure Virtual TPM Root 2023',
    'e6c596b17f8ffefba5c300f714cfb1260c6028704ecf7becc4ab5018efb00e95',
  ),
  root(
    'tpm',
    'cloud-vtpm',
    'Google Cloud EK/AK CA Root',
    '594759594b9b61524f6c8ef668f7177f7b9066bc0674f2f49fe9e052be78beb2',
  ),
  root(
    'tpm',
    'cloud-vtpm',
    'Google Cloud tpm_ek_v1 root',
    '9bd5285f8fb18502a7947e621ffd470266f49fcd3b73e19a190f690ad32a7caf',
  ),
];

/**
 * Roots of TPM makers. Candidates, each known from one collection only (the Keylime project's), so that none is trusted unless the
 * relying party asks for them after its own look at where they come from.
 */
export const TPM_MAKER_ANCHORS: readonly TrustAnchor[] = [
  root('tpm', 'silicon', 'GlobalSign TPM Root CA', 'f27bf02c6e00c73d915eeb6a6a2f5fbf0c31ae0393149e6b5c31e41b113841c3'),
  root('tpm', 'silicon', 'Infineon ECC Root CA', 'cfeb02fecd55ad7a73c6e1d11985d4c47dee248ab63dcb66091a2489660443c3'),
  root('tpm', 'silicon', 'Infineon RSA Root CA', '899e35474c9807eb4c7f2f7a12da0028fb250cd02154d0009fca7d9c66574f3b'),
  root('tpm', 'silicon', 'Intel TPM EK root', '2e1b3ba79af56d758be51697621bc4b9e8cee0983db3e749c55eb9b37c6d2ae0'),
  root('tpm', 'silicon', 'Nuvoton NTC Root CA 01', '56b67007f448bd5c5746299fcdea9323971bbdaaefd8e3b9b84773abc888c90e'),
  root('tpm', 'silicon', 'Nuvoton NTC Root CA 02', '8fac94b462b37acb84431bdc71395585caf518c17f656051ff9c4347a4726ed9'),
  root('tpm', 'silicon', 'Nuvoton Root CA 0100', '887bc9658ffc6ad7f4eeb85c8819772ff609ee64c4dac4a6dca654a39e94b289'),
  root('tpm', 'silicon', 'Nuvoton Root CA 1110', '2782e51a95e86d9557fe4204316cf805bd6f5898f81f9732e944d742bcdc5f54'),
  root('tpm', 'silicon', 'Nuvoton Root CA 1111', 'e38c280f7c0e0b49f31efc7531032bb6a86c3fba4eb89beb1d510eaa4510ae4a'),
  root('tpm', 'silicon', 'Nuvoton Root CA 2110', '4aebe77a51ed29959a7f9f5e07a24a558dee8167f3985d724995a541c258dfda'),
  root('tpm', 'silicon', 'Nuvoton Root CA 2111', 'cd8185ff8995ed09811970090a8c36fafab34ef87f47fa51fdb9ecf95c9c2e04'),
];
