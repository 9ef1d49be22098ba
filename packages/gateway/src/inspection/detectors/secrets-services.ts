import { looksRandom } from './placeholder.ts';
import { runs, type ValueRule } from './rule.ts';
import { assigned, shortToken, token } from './secret-rules.ts';

const UUID = '[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}';
const HEX = [...'0123456789abcdef'];
const HEX32 = '[a-f0-9]{32}';

/** Credentials of model providers. */
export const MODEL_SECRETS: readonly ValueRule[] = [
  {
    ...token('anthropic-api-key', 'API key of Anthropic', 'sk-ant-api', /sk-ant-api\d\d-[\w-]{93}AA/y),
  },
  {
    ...token('anthropic-admin-api-key', 'Admin key of Anthropic', 'sk-ant-admin', /sk-ant-admin\d\d-[\w-]{93}AA/y),
  },
  token(
    'anthropic-oauth-token',
    'OAuth token of Anthropic',
    ['sk-ant-oat', 'sk-ant-ort'],
    /sk-ant-o[ar]t\d\d-[\w-]{80,120}/y,
  ),
  token(
    'openai-api-key',
    'API key of OpenAI',
    ['sk-proj-', 'sk-svcacct-', 'sk-admin-'],
    /sk-(?:proj|svcacct|admin)-[\w-]{40,200}/y,
  ),
  {
    ...token(
      'openai-api-key',
      'API key of OpenAI, by the mark in it',
      [],
      /sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}/y,
    ),
    trigger: { anchors: ['t3blbkfj'], back: 23 },
  },
  shortToken('huggingface-access-token', 'Access token of Hugging Face', 'hf_', /hf_[A-Za-z]{34}(?![A-Za-z0-9])/y),
  shortToken(
    'huggingface-organization-api-token',
    'Organisation token of Hugging Face',
    'api_org_',
    /api_org_[A-Za-z]{34}(?![A-Za-z0-9])/y,
  ),
  token('perplexity-api-key', 'API key of Perplexity', 'pplx-', /pplx-[A-Za-z0-9]{48}/y),
  shortToken('groq-api-key', 'API key of Groq', 'gsk_', /gsk_[A-Za-z0-9]{52}/y),
  shortToken('replicate-api-token', 'API token of Replicate', 'r8_', /r8_[A-Za-z0-9]{37}(?![A-Za-z0-9])/y),
  token('xai-api-key', 'API key of xAI', 'xai-', /xai-[A-Za-z0-9]{80}/y),
  token('openrouter-api-key', 'API key of OpenRouter', 'sk-or-v1-', /sk-or-v1-[a-f0-9]{64}/y),
  token('langfuse-secret-key', 'Secret key of Langfuse', 'sk-lf-', new RegExp(`sk-lf-${UUID}`, 'y')),
  token('langsmith-api-key', 'API key of LangSmith', 'lsv2_', /lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}/y),
  token('nvidia-api-key', 'API key of NVIDIA', 'nvapi-', /nvapi-[\w-]{64}/y),
  token('pinecone-api-key', 'API key of Pinecone', 'pcsk_', /pcsk_[A-Za-z0-9]{5,6}_[A-Za-z0-9]{60,66}/y),
  assigned('cohere-api-token', 'API key of Cohere', ['cohere'], '[A-Za-z0-9]{40}'),
  assigned('mistral-api-key', 'API key of Mistral', ['mistral'], '[A-Za-z0-9]{32}'),
];

/** Credentials of the services that companies work, sell and write with. */
export const SERVICE_SECRETS: readonly ValueRule[] = [
  token(
    '1password-service-account-token',
    'Service account token of 1Password',
    'ops_eyj',
    /ops_eyJ[A-Za-z0-9+/]{200,1600}={0,3}/y,
  ),
  shortToken(
    '1password-secret-key',
    'Secret key of 1Password',
    'a3-',
    /A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}/y,
  ),
  token('slack-bot-token', 'Bot token of Slack', 'xoxb-', /xoxb-\d{10,13}-\d{10,13}-[A-Za-z0-9-]{18,60}/y),
  token(
    'slack-legacy-bot-token',
    'Bot token of Slack (old)',
    'xoxb-',
    /xoxb-\d{8,14}-[A-Za-z0-9]{18,26}(?![A-Za-z0-9-])/y,
  ),
  token('slack-user-token', 'User token of Slack', ['xoxp-', 'xoxe-'], /xox[pe]-(?:\d{10,13}-){3}[A-Za-z0-9-]{28,34}/y),
  token('slack-app-token', 'App-level token of Slack', 'xapp-', /xapp-\d-[A-Z0-9]{8,14}-\d{10,14}-[a-z0-9]{32,80}/y),
  token(
    'slack-config-access-token',
    'Configuration token of Slack',
    ['xoxe.xoxp-', 'xoxe.xoxb-'],
    /xoxe\.xox[bp]-\d-[A-Za-z0-9]{140,180}/y,
  ),
  token('slack-config-refresh-token', 'Configuration refresh token of Slack', 'xoxe-', /xoxe-\d-[A-Za-z0-9]{140,180}/y),
  token(
    'slack-legacy-token',
    'Token of Slack (old)',
    ['xoxo-', 'xoxs-'],
    /xox[os]-\d{8,14}-\d{8,14}-\d{8,14}-[a-fA-F\d]{10,64}/y,
  ),
  {
    ...token(
      'slack-legacy-workspace-token',
      'Workspace token of Slack (old)',
      ['xoxa-', 'xoxr-'],
      /xox[ar]-(?:\d-)?[0-9A-Za-z-]{20,80}/y,
    ),
    valid: hasDigitsAndIsRandom,
  },
  {
    id: 'slack-webhook-url',
    kind: 'secret',
    what: 'Webhook of Slack',
    trigger: { anchors: ['hooks.slack'] },
    pattern: /hooks\.slack(?:-gov)?\.com\/(?:services|workflows|triggers)\/[A-Za-z0-9+/]{36,80}/y,
    valid: endsRandomly,
  },
  {
    id: 'microsoft-teams-webhook',
    kind: 'secret',
    what: 'Webhook of Microsoft Teams',
    trigger: { anchors: ['.webhook.office.com/'] },
    pattern: new RegExp(
      `\\.webhook\\.office\\.com/webhookb2/${UUID}@${UUID}/IncomingWebhook/[a-z0-9]{32}/${UUID}`,
      'yi',
    ),
  },
  {
    id: 'discord-webhook-url',
    kind: 'secret',
    what: 'Webhook of Discord',
    trigger: { anchors: ['/api/webhooks/'] },
    pattern: /\/api\/webhooks\/\d{16,20}\/[\w-]{60,72}/y,
    valid: looksRandom,
  },
  assigned(
    'discord-bot-token',
    'Bot token of Discord',
    ['discord', 'bot_token'],
    '[MNO][A-Za-z0-9_-]{23,27}\\.[\\w-]{6}\\.[\\w-]{27,38}',
  ),
  assigned('discord-client-secret', 'Client secret of Discord', ['discord'], '[A-Za-z0-9_-]{32}'),
  {
    id: 'telegram-bot-api-token',
    kind: 'secret',
    what: 'Bot token of Telegram',
    trigger: { digits: runs(8, 10) },
    pattern: /\d{8,10}:AA[\w-]{33}/y,
    valid: looksRandom,
    glued: true,
  },
  token(
    'stripe-access-token',
    'Secret or restricted key of Stripe',
    ['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_', 'sk_prod_', 'rk_prod_'],
    /[sr]k_(?:live|test|prod)_[A-Za-z0-9]{10,200}/y,
  ),
  token('stripe-webhook-secret', 'Webhook signing secret of Stripe', 'whsec_', /whsec_[A-Za-z0-9+/]{32,64}={0,2}/y),
  shortToken(
    'square-access-token',
    'Access token of Square',
    ['eaaa', 'sq0atp-'],
    /(?:EAAA[\w-]{60,92}(?![\w-])|sq0atp-[\w-]{22})/y,
  ),
  token('square-secret', 'Application secret of Square', 'sq0csp-', /sq0csp-[\w-]{43}/y),
  token('shopify-access-token', 'Access token of Shopify', 'shpat_', /shpat_[a-fA-F0-9]{32}/y),
  token('shopify-custom-access-token', 'Custom app token of Shopify', 'shpca_', /shpca_[a-fA-F0-9]{32}/y),
  token('shopify-private-app-access-token', 'Private app token of Shopify', 'shppa_', /shppa_[a-fA-F0-9]{32}/y),
  token('shopify-shared-secret', 'Shared secret of Shopify', 'shpss_', /shpss_[a-fA-F0-9]{32}/y),
  {
    id: 'paypal-braintree-access-token',
    kind: 'secret',
    what: 'Access token of Braintree',
    trigger: { anchors: ['access_token$'] },
    pattern: /access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}/y,
    valid: endsRandomly,
  },
  token(
    'plaid-api-token',
    'Access token of Plaid',
    ['access-sandbox-', 'access-development-', 'access-production-'],
    new RegExp(`access-(?:sandbox|development|production)-${UUID}`, 'y'),
  ),
  token('flutterwave-secret-key', 'Secret key of Flutterwave', 'flwseck', /FLWSECK(?:_TEST)?-[a-h0-9]{12,32}(?:-X)?/iy),
  token('shippo-api-token', 'API token of Shippo', 'shippo_', /shippo_(?:live|test)_[a-f0-9]{40}/y),
  shortToken('easypost-api-token', 'API key of EasyPost', 'ezak', /EZAK[A-Za-z0-9]{54}(?![A-Za-z0-9+/])/y),
  shortToken('easypost-test-api-token', 'Test API key of EasyPost', 'eztk', /EZTK[A-Za-z0-9]{54}(?![A-Za-z0-9+/])/y),
  token('duffel-api-token', 'API token of Duffel', 'duffel_', /duffel_(?:test|live)_[\w=-]{43}/iy),
  shortToken(
    'twilio-api-key',
    'API key of Twilio',
    HEX.map((digit) => `sk${digit}`),
    /SK[0-9a-f]{32}(?![A-Za-z0-9])/y,
  ),
  assigned('twilio-auth-token', 'Auth token of Twilio', ['twilio'], HEX32),
  token('sendgrid-api-token', 'API key of SendGrid', 'sg.', /SG\.[\w-]{22}\.[\w-]{43}/y),
  token('sendinblue-api-token', 'API key of Brevo', 'xkeysib-', /xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}/y),
  shortToken('mailgun-private-api-token', 'API key of Mailgun', 'key-', /key-[a-f0-9]{32}(?![A-Za-z0-9])/y),
  assigned('mailgun-signing-key', 'Signing key of Mailgun', ['mailgun'], '[a-h0-9]{32}-[a-h0-9]{8}-[a-h0-9]{8}'),
  assigned('mailchimp-api-key', 'API key of Mailchimp', ['mailchimp'], '[a-f0-9]{32}-us\\d{1,2}'),
  token('notion-api-token', 'API token of Notion', 'ntn_', /ntn_\d{11}[A-Za-z0-9]{35}/y),
  assigned('notion-api-token', 'API token of Notion (old)', ['notion'], 'secret_[A-Za-z0-9]{43}'),
  token('linear-api-key', 'API key of Linear', 'lin_api_', /lin_api_[A-Za-z0-9]{40}/y),
  assigned('linear-client-secret', 'Client secret of Linear', ['linear'], HEX32),
  token('figma-access-token', 'Access token of Figma', 'figd_', /figd_[\w-]{40}/y),
  {
    ...shortToken(
      'airtable-personal-access-token',
      'Personal access token of Airtable',
      'pat',
      /pat[A-Za-z0-9]{14}\.[a-f0-9]{64}/y,
    ),
  },
  token('typeform-api-token', 'API token of Typeform', 'tfp_', /tfp_[\w.=-]{59}/y),
  token('contentful-delivery-api-token', 'Management token of Contentful', 'cfpat-', /CFPAT-[\w-]{43}/y),
  token('frameio-api-token', 'API token of Frame.io', 'fio-u-', /fio-u-[\w=-]{64}/y),
  token('adafruit-api-key', 'API key of Adafruit IO', 'aio_', /aio_[A-Za-z0-9]{28}(?![A-Za-z0-9])/y),
  token('adobe-client-secret', 'Client secret of Adobe', 'p8e-', /p8e-[A-Za-z0-9]{32}/y),
  token(
    'defined-networking-api-token',
    'API token of Defined Networking',
    'dnkey-',
    /dnkey-[a-z0-9=_-]{26}-[a-z0-9=_-]{52}/iy,
  ),
  token('yandex-api-key', 'API key of Yandex Cloud', 'aqvn', /AQVN[\w-]{35,38}/y),
  token('facebook-page-access-token', 'Access token of a Facebook page', 'eaa', /EAA[MC][A-Za-z0-9]{100,400}/y),
  {
    id: 'freemius-secret-key',
    kind: 'secret',
    what: 'Secret key of Freemius',
    trigger: { anchors: ['secret_key'] },
    pattern: /secret_key["']?\s{0,8}(?:=>|[=:])\s{0,8}["'](?<value>sk_[^"'\s]{29})["']/dy,
    valid: looksRandom,
  },
  {
    ...shortToken('maxmind-license-key', 'Licence key of MaxMind', [], /[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk/y),
    trigger: { anchors: ['_mmk'], back: 36 },
  },
  token(
    'settlemint-personal-access-token',
    'Personal access token of SettleMint',
    'sm_pat_',
    /sm_pat_[A-Za-z0-9]{16}/y,
  ),
  token('settlemint-application-access-token', 'Application token of SettleMint', 'sm_aat_', /sm_aat_[A-Za-z0-9]{16}/y),
  token('settlemint-service-access-token', 'Service token of SettleMint', 'sm_sat_', /sm_sat_[A-Za-z0-9]{16}/y),
  shortToken(
    'harness-api-key',
    'Access token of Harness',
    ['pat.', 'sat.'],
    /[ps]at\.[\w-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}/y,
  ),
  {
    id: 'facebook-access-token',
    kind: 'secret',
    what: 'App access token of Facebook',
    trigger: { digits: runs(15, 16) },
    pattern: /\d{15,16}(?:\||%7C)[\w-]{27,40}(?![\w-])/iy,
    valid: looksRandom,
  },
  assigned('facebook-secret', 'App secret of Facebook', ['facebook'], HEX32),
  token('intra42-client-secret', 'Client secret of 42', 's-s4t2', /s-s4t2(?:ud|af)-[a-f0-9]{64}/y),
  token(
    'age-secret-key',
    'Secret key of age',
    'age-secret-key-1',
    /AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}/y,
  ),
  assigned('dropbox-api-token', 'App secret of Dropbox', ['dropbox'], '[a-z0-9]{15}'),
  token('dropbox-short-lived-api-token', 'Access token of Dropbox', 'sl.', /sl\.(?:u\.)?[\w=-]{130,1500}/y),
  assigned('twitch-api-token', 'Client secret of Twitch', ['twitch'], '[a-z0-9]{30}'),
  assigned('twitter-api-secret', 'API secret of X', ['twitter'], '[A-Za-z0-9]{50}'),
  {
    ...token(
      'twitter-bearer-token',
      'Bearer token of X, beside a word for it',
      'aaaaaaaaaaaaaaaaaaaaa',
      /(?<!A)A{21,22}[A-Za-z0-9%]{80,120}/y,
    ),
    context: /twitter|tweet|bearer|x\.com/i,
  },
  assigned('linkedin-client-secret', 'Client secret of LinkedIn', ['linkedin'], '[A-Za-z0-9]{16}'),
  assigned(
    'sumologic-access-id',
    'Access id of Sumo Logic',
    ['sumologic', 'sumo_logic', 'sumo_access'],
    'su[A-Za-z0-9]{12}',
  ),
  assigned(
    'sumologic-access-token',
    'Access key of Sumo Logic',
    ['sumologic', 'sumo_logic', 'sumo_access'],
    '[A-Za-z0-9]{64}',
  ),
  assigned('hubspot-api-key', 'API key of HubSpot', ['hubspot'], UUID),
  shortToken(
    'hubspot-private-app-token',
    'Private app token of HubSpot',
    ['pat-na1-', 'pat-eu1-'],
    new RegExp(`pat-(?:na|eu)1-${UUID}`, 'y'),
  ),
  assigned('zendesk-secret-key', 'Secret of Zendesk', ['zendesk'], '[a-zA-Z0-9]{40}'),
  assigned('algolia-api-key', 'API key of Algolia', ['algolia'], HEX32),
  assigned('asana-client-secret', 'Client secret of Asana', ['asana'], '[a-z0-9]{32}'),
  {
    id: 'asana-personal-access-token',
    kind: 'secret',
    what: 'Personal access token of Asana',
    trigger: { anchors: ['/12'], back: 1 },
    pattern: /[12]\/12\d{14,16}(?:\/\d{16})?:[a-f0-9]{32}/y,
    valid: endsRandomly,
  },
  assigned('intercom-api-key', 'Access token of Intercom', ['intercom'], '[A-Za-z0-9=_-]{60}'),
  assigned('coinbase-access-token', 'API secret of Coinbase', ['coinbase'], '[A-Za-z0-9_-]{64}'),
];

/** Judged by its last part; what comes before is not drawn at random. */
function endsRandomly(value: string): boolean {
  return looksRandom(value.slice(value.search(/[^/$:]*$/)));
}

function hasDigitsAndIsRandom(value: string): boolean {
  return /\d/.test(value.slice(5)) && looksRandom(value);
}
