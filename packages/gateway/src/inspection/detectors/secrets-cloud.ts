import { looksRandom } from './placeholder.ts';
import type { ValueRule } from './rule.ts';
import { assigned, shortToken, token, WORD_START } from './secret-rules.ts';

const DIGITS = [...'0123456789'];

/** Credentials of clouds, hosters and their tools. */
export const CLOUD_SECRETS: readonly ValueRule[] = [
  token(
    'aws-access-token',
    'AWS access key id',
    ['akia', 'asia', 'abia', 'acca'],
    /(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}/y,
  ),
  {
    id: 'aws-secret-access-key',
    kind: 'secret',
    what: 'AWS secret access key after its id',
    trigger: { anchors: ['akia', 'asia'] },
    pattern:
      /(?:AKIA|ASIA)[A-Z0-9]{16}["'\s,:;|/]{1,16}(?:[A-Za-z_ -]{6,40}["'\s:=]{1,16})?(?<value>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])/dy,
    valid: looksRandom,
  },
  {
    ...assigned(
      'aws-secret-access-key',
      'AWS secret access key by its name',
      ['secret_access_key', 'aws_secret'],
      '[A-Za-z0-9/+]{40}',
    ),
    before: { words: /(?:)/, reach: 0 },
  },
  assigned('aws-session-token', 'AWS session token', ['session_token'], '[A-Za-z0-9/+]{100,1500}={0,2}'),
  {
    id: 'aws-amazon-bedrock-api-key-long-lived',
    kind: 'secret',
    what: 'Amazon Bedrock API key, long-lived',
    trigger: { anchors: ['absk'] },
    pattern: /ABSK[A-Za-z0-9+/]{100,270}={0,2}(?![A-Za-z0-9+/=])/y,
    valid: isBedrockKey,
  },
  {
    id: 'aws-amazon-bedrock-api-key-short-lived',
    kind: 'secret',
    what: 'Amazon Bedrock API key, short-lived',
    trigger: { anchors: ['bedrock-api-key-'] },
    pattern: /bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t[A-Za-z0-9+/=_-]{0,3000}/y,
  },
  {
    id: 'azure-ad-client-secret',
    kind: 'secret',
    what: 'Client secret of Microsoft Entra ID',
    trigger: { anchors: DIGITS.map((digit) => `${digit}q~`), lead: { chars: /[\w~.-]/, most: 32 } },
    pattern: /[\w~.-]{3,32}\dQ~[\w~.-]{31,62}(?![\w~.-])/y,
    valid: looksRandom,
    before: { words: /(?:^|[^\w~.-])$/, reach: 1 },
  },
  {
    id: 'azure-storage-account-key',
    kind: 'secret',
    what: 'Key of an Azure storage account, service bus or event hub',
    trigger: { anchors: ['accountkey=', 'sharedaccesskey='] },
    pattern: /(?:Account|SharedAccess)Key=(?<value>[A-Za-z0-9+/]{42,86}={1,2})/diy,
    valid: looksRandom,
  },
  {
    id: 'azure-storage-account-key',
    kind: 'secret',
    what: 'Key of an Azure storage account, by the mark in it',
    trigger: { anchors: ['+ast'], back: 76 },
    pattern: /[A-Za-z0-9+/]{76}\+ASt[A-Za-z0-9+/]{5}[AQgw]==/y,
    valid: looksRandom,
  },
  {
    id: 'azure-shared-access-signature',
    kind: 'secret',
    what: 'Signature of an Azure shared access URL',
    trigger: { anchors: ['sig='] },
    pattern: /sig=(?<value>[A-Za-z0-9%+/]{43,70}(?:%3D|=))/diy,
    context: /\bs[vrept]{1,2}=/,
    valid: looksRandom,
  },
  {
    id: 'azure-devops-pat',
    kind: 'secret',
    what: 'Personal access token of Azure DevOps',
    trigger: { anchors: ['azdo'], back: 76 },
    pattern: /[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}/y,
    valid: looksRandom,
  },
  {
    // Such a key stands in public pages and apps, where it only names a project: it has to be called something.
    ...token('gcp-api-key', 'Google API key beside a word for one', 'aizasy', /AIzaSy[A-Za-z0-9_-]{33}/y),
    context: /key|token|secret|credential|auth|google|gcp|firebase|gemini|maps|places|youtube/i,
  },
  token('gcp-oauth-client-secret', 'Client secret of Google OAuth', 'gocspx-', /GOCSPX-[A-Za-z0-9_-]{28}/y),
  shortToken('gcp-oauth-access-token', 'Access token of Google OAuth', 'ya29.', /ya29\.[A-Za-z0-9_-]{20,1000}/y),
  shortToken('gcp-oauth-refresh-token', 'Refresh token of Google OAuth', '1//0', /1\/\/0[A-Za-z0-9_-]{40,200}/y),
  token('alibaba-access-key-id', 'Access key id of Alibaba Cloud', 'ltai', /LTAI[A-Za-z0-9]{20}(?![A-Za-z0-9])/y),
  token('digitalocean-pat', 'Personal access token of DigitalOcean', 'dop_v1_', /dop_v1_[a-f0-9]{64}/y),
  token('digitalocean-access-token', 'OAuth access token of DigitalOcean', 'doo_v1_', /doo_v1_[a-f0-9]{64}/y),
  token('digitalocean-refresh-token', 'OAuth refresh token of DigitalOcean', 'dor_v1_', /dor_v1_[a-f0-9]{64}/y),
  token('cloudflare-origin-ca-key', 'Origin CA key of Cloudflare', 'v1.0-', /v1\.0-[a-f0-9]{24}-[a-f0-9]{146}/y),
  assigned('cloudflare-api-key', 'API token of Cloudflare', ['cloudflare'], '[A-Za-z0-9_-]{40}'),
  assigned('cloudflare-global-api-key', 'Global API key of Cloudflare', ['cloudflare'], '[a-f0-9]{37}'),
  token('heroku-api-key-v2', 'API key of Heroku', 'hrku-', /HRKU-[A-Za-z0-9_-]{60}/y),
  assigned(
    'heroku-api-key',
    'API key of Heroku (old)',
    ['heroku'],
    '[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}',
  ),
  shortToken('flyio-access-token', 'Access token of Fly.io', 'fo1_', /fo1_[\w-]{43,75}(?![\w-])/y),
  shortToken(
    'flyio-access-token',
    'Macaroon of Fly.io',
    ['fm1a_', 'fm1r_', 'fm2_'],
    /fm(?:1[ar]|2)_[A-Za-z0-9+/]{100,2000}={0,3}/y,
  ),
  token('vault-service-token', 'Service token of HashiCorp Vault', 'hvs.', /hvs\.[\w-]{24,300}/y),
  {
    id: 'vault-service-token',
    kind: 'secret',
    what: 'Service token of HashiCorp Vault before 1.10',
    trigger: { anchors: [...'abcdefghijklmnopqrstuvwxyz0123456789'].map((next) => `s.${next}`) },
    pattern: /s\.[A-Za-z0-9]{24}(?![A-Za-z0-9])/y,
    valid: isMixed,
    before: WORD_START,
  },
  token('vault-batch-token', 'Batch token of HashiCorp Vault', 'hvb.', /hvb\.[\w-]{100,600}/y),
  token('vault-recovery-token', 'Recovery token of HashiCorp Vault', 'hvr.', /hvr\.[\w-]{24,300}/y),
  {
    ...token(
      'hashicorp-tf-api-token',
      'API token of HCP Terraform',
      '.atlasv1.',
      /[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}/y,
    ),
    trigger: { anchors: ['.atlasv1.'], back: 14 },
  },
  shortToken('pulumi-api-token', 'Access token of Pulumi', 'pul-', /pul-[a-f0-9]{40}/y),
  token('databricks-api-token', 'Access token of Databricks', 'dapi', /dapi[a-f0-9]{32}(?:-\d)?(?![a-z0-9])/y),
  shortToken(
    'doppler-api-token',
    'Token of Doppler',
    ['dp.pt.', 'dp.st.', 'dp.ct.', 'dp.sa.'],
    /dp\.(?:[pc]t|sa|st(?:\.[\w-]{2,40})?)\.[A-Za-z0-9]{40,44}/y,
  ),
  shortToken(
    'doppler-api-token',
    'Audit or directory token of Doppler',
    ['dp.scim.', 'dp.audit.'],
    /dp\.(?:scim|audit)\.[A-Za-z0-9]{40,44}/y,
  ),
  token('planetscale-api-token', 'Service token of PlanetScale', 'pscale_tkn_', /pscale_tkn_[\w=.-]{32,64}/y),
  token('planetscale-password', 'Database password of PlanetScale', 'pscale_pw_', /pscale_pw_[\w=.-]{32,64}/y),
  token('planetscale-oauth-token', 'OAuth token of PlanetScale', 'pscale_oauth_', /pscale_oauth_[\w=.-]{32,64}/y),
  token('supabase-access-token', 'Access token of Supabase', 'sbp_', /sbp_[a-f0-9]{40}/y),
  token('supabase-secret-key', 'Secret key of Supabase', 'sb_secret_', /sb_secret_[\w-]{31}/y),
  token('netlify-access-token', 'Access token of Netlify', 'nfp_', /nfp_[A-Za-z0-9]{36}/y),
  token('openshift-user-token', 'User token of OpenShift', 'sha256~', /sha256~[\w-]{43,75}(?![\w-])/y),
  token(
    'tailscale-key',
    'Key of Tailscale',
    'tskey-',
    /tskey-(?:api|auth|client|scim|webhook)-[A-Za-z0-9]{8,24}-[A-Za-z0-9]{20,40}/y,
  ),
  shortToken('infracost-api-token', 'API token of Infracost', 'ico-', /ico-[A-Za-z0-9]{32}(?![A-Za-z0-9])/y),
  token('artifactory-api-key', 'API key of Artifactory', 'akcp', /AKCp[A-Za-z0-9]{69}/y),
  shortToken(
    'artifactory-reference-token',
    'Reference token of Artifactory',
    'cmvmd',
    /cmVmd[A-Za-z0-9]{59}(?![A-Za-z0-9])/y,
  ),
  shortToken(
    'clickhouse-cloud-api-secret-key',
    'API secret of ClickHouse Cloud',
    '4b1d',
    /4b1d[A-Za-z0-9]{38}(?![A-Za-z0-9])/y,
  ),
  token('scalingo-api-token', 'API token of Scalingo', 'tk-us-', /tk-us-[\w-]{48}/y),
  shortToken('prefect-api-token', 'API key of Prefect', ['pnu_', 'pnb_'], /pn[ub]_[A-Za-z0-9]{36}/y),
  assigned('okta-access-token', 'API token of Okta', ['okta'], '00[\\w=-]{40}'),
  assigned('fastly-api-token', 'API token of Fastly', ['fastly'], '[A-Za-z0-9=_-]{32}'),
  assigned('cisco-meraki-api-key', 'API key of Cisco Meraki', ['meraki'], '[0-9a-f]{40}'),
  {
    id: 'hashicorp-tf-password',
    kind: 'secret',
    what: 'Password of a database in a Terraform file',
    trigger: { anchors: ['administrator_login_password', 'master_password', 'admin_password'] },
    pattern: /(?:administrator_login|master|admin)_password\s{0,16}=\s{0,8}"(?<value>[^"\s<>{}$]{8,64})"/diy,
    valid: looksRandom,
  },
];

/** What Amazon writes before an account and a secret: base64 of `BedrockAPIKey-`. */
function isBedrockKey(value: string): boolean {
  return value.startsWith('QmVkcm9ja0FQSUtleS', 4);
}

/** Tokens without a telling prefix have capitals, small letters and digits. */
function isMixed(value: string): boolean {
  return /[a-z]/.test(value.slice(2)) && /[A-Z]/.test(value) && /\d/.test(value) && looksRandom(value);
}
