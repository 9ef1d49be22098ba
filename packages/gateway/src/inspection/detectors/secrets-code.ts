import { looksRandom } from './placeholder.ts';
import type { ValueRule } from './rule.ts';
import { assigned, shortToken, token, WORD_START } from './secret-rules.ts';

const HEX40 = '[a-f0-9]{40}';
const UUID = '[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}';

/** Credentials of places where code is kept, built and published. */
export const CODE_SECRETS: readonly ValueRule[] = [
  token('github-pat', 'Personal access token of GitHub', 'ghp_', /ghp_[A-Za-z0-9]{36}/y),
  token(
    'github-fine-grained-pat',
    'Fine-grained access token of GitHub',
    'github_pat_',
    /github_pat_[A-Za-z0-9_]{82}/y,
  ),
  token('github-oauth', 'OAuth access token of GitHub', 'gho_', /gho_[A-Za-z0-9]{36}/y),
  token('github-app-token', 'Token of a GitHub app', ['ghu_', 'ghs_'], /gh[us]_[A-Za-z0-9]{36}/y),
  token('github-refresh-token', 'Refresh token of GitHub', 'ghr_', /ghr_[A-Za-z0-9]{36,76}/y),
  token('gitlab-pat', 'Personal access token of GitLab', 'glpat-', /glpat-[\w-]{20}(?![\w.-])/y),
  token(
    'gitlab-pat-routable',
    'Routable access token of GitLab',
    'glpat-',
    /glpat-[\w-]{27,300}\.[0-9a-z]{2,3}\.?[0-9a-z]{7}/y,
  ),
  token(
    'gitlab-pat',
    'Personal access token of GitLab with something glued to it',
    'glpat-',
    /glpat-[\w-]{21,64}(?![\w.-])/y,
  ),
  token('gitlab-ptt', 'Pipeline trigger token of GitLab', 'glptt-', /glptt-[a-f0-9]{40}/y),
  token('gitlab-rrt', 'Runner registration token of GitLab', 'gr1348941', /GR1348941[\w-]{20}/y),
  token('gitlab-deploy-token', 'Deploy token of GitLab', 'gldt-', /gldt-[\w-]{20}/y),
  token('gitlab-runner-authentication-token', 'Runner token of GitLab', 'glrt-', /glrt-[\w-]{20}/y),
  token('gitlab-cicd-job-token', 'Job token of GitLab', 'glcbt-', /glcbt-[0-9a-zA-Z]{1,5}_[\w-]{20}/y),
  token('gitlab-feed-token', 'Feed token of GitLab', 'glft-', /glft-[\w-]{20}/y),
  token('gitlab-scim-token', 'SCIM token of GitLab', 'glsoat-', /glsoat-[\w-]{20}/y),
  token('gitlab-kubernetes-agent-token', 'Agent token of GitLab', 'glagent-', /glagent-[\w-]{50}/y),
  token('gitlab-incoming-mail-token', 'Incoming mail token of GitLab', 'glimt-', /glimt-[\w-]{25}/y),
  token('gitlab-feature-flag-client-token', 'Feature flag token of GitLab', 'glffct-', /glffct-[\w-]{20}/y),
  token('gitlab-oauth-app-secret', 'OAuth application secret of GitLab', 'gloas-', /gloas-[0-9a-fA-F]{64}/y),
  token('gitlab-session-cookie', 'Session of GitLab', '_gitlab_session=', /_gitlab_session=(?<value>[0-9a-f]{32})/dy),
  token('atlassian-api-token', 'API token of Atlassian', 'atatt3', /ATATT3[A-Za-z0-9_=-]{180,200}/y),
  token(
    'bitbucket-app-password',
    'App password or access token of Bitbucket',
    ['atbb', 'atctt3'],
    /(?:ATBB[A-Za-z0-9]{24}[A-F0-9]{8}|ATCTT3[A-Za-z0-9_=-]{160,200})/y,
  ),
  token('npm-access-token', 'Access token of npm', 'npm_', /npm_[A-Za-z0-9]{36}/y),
  token('pypi-upload-token', 'Upload token of PyPI', 'pypi-ageichlwas', /pypi-AgEIcHlwaS5vcmc[\w-]{50,1000}/y),
  token('rubygems-api-token', 'API key of RubyGems', 'rubygems_', /rubygems_[a-f0-9]{48}/y),
  token('clojars-api-token', 'Deploy token of Clojars', 'clojars_', /CLOJARS_[a-z0-9]{60}/iy),
  shortToken('nuget-api-key', 'API key of NuGet', 'oy2', /oy2[a-z0-9]{43}(?![a-z0-9])/y),
  shortToken('crates-io-api-token', 'API token of crates.io', 'cio', /cio[A-Za-z0-9]{32}(?![A-Za-z0-9])/y),
  token(
    'docker-access-token',
    'Access token of Docker Hub',
    ['dckr_pat_', 'dckr_oat_'],
    /dckr_(?:pat_[\w-]{27}|oat_[\w-]{32})/y,
  ),
  shortToken('sonar-api-token', 'Token of SonarQube', ['sqp_', 'squ_', 'sqa_'], /sq[pua]_[a-f0-9]{40}/y),
  token('buildkite-api-token', 'API token of Buildkite', 'bkua_', /bkua_[a-f0-9]{40}/y),
  token(
    'circleci-api-token',
    'API token of CircleCI',
    ['ccipat_', 'cciprj_'],
    /CCI(?:PAT|PRJ)_[A-Za-z0-9]{22}_[a-f0-9]{40}/y,
  ),
  token(
    'sourcegraph-access-token',
    'Access token of Sourcegraph',
    'sgp_',
    /sgp_(?:(?:[a-fA-F0-9]{16}|local)_)?[a-fA-F0-9]{40}/y,
  ),
  assigned('sourcegraph-access-token', 'Access token of Sourcegraph (old)', ['sourcegraph'], '[a-fA-F0-9]{40}'),
  token('postman-api-token', 'API key of Postman', 'pmak-', /PMAK-[a-f0-9]{24}-[a-f0-9]{34}/y),
  token('readme-api-token', 'API key of ReadMe', 'rdme_', /rdme_[a-z0-9]{70}/y),
  {
    ...shortToken('octopus-deploy-api-key', 'API key of Octopus Deploy', 'api-', /API-[A-Z0-9]{26}(?![A-Za-z0-9])/y),
    valid: hasDigitsAndIsRandom,
  },
  token(
    'dynatrace-api-token',
    'API token of Dynatrace',
    ['dt0c01.', 'dt0s01.', 'dt0s02.'],
    /dt0[cs]0[12]\.[A-Z0-9]{8,24}\.[A-Z0-9]{64}/y,
  ),
  token('grafana-cloud-api-token', 'Token of Grafana Cloud', 'glc_', /glc_[A-Za-z0-9+/]{32,400}={0,3}/y),
  token(
    'grafana-service-account-token',
    'Service account token of Grafana',
    'glsa_',
    /glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}/y,
  ),
  token('grafana-api-key', 'API key of Grafana', 'eyjrijoi', /eyJrIjoi[A-Za-z0-9]{60,400}={0,2}/y),
  token('new-relic-user-api-key', 'User key of New Relic', 'nrak-', /NRAK-[A-Z0-9]{27}/y),
  token('new-relic-insert-key', 'Insert key of New Relic', 'nrii-', /NRII-[\w-]{32}/y),
  {
    ...token('new-relic-license-key', 'License key of New Relic', [], /[a-f0-9]{32}FFFFNRAL/y),
    trigger: { anchors: ['ffffnral'], back: 32 },
  },
  token('sentry-org-token', 'Organisation token of Sentry', 'sntrys_', /sntrys_eyJ[A-Za-z0-9+/=_-]{40,1000}/y),
  token('sentry-user-token', 'User token of Sentry', 'sntryu_', /sntryu_[a-f0-9]{64}/y),
  assigned('sentry-access-token', 'Access token of Sentry (old)', ['sentry'], '[a-f0-9]{64}'),
  assigned('snyk-api-token', 'API token of Snyk', ['snyk'], UUID),
  assigned('datadog-access-token', 'Application key of Datadog', ['datadog'], HEX40),
  assigned('datadog-api-key', 'API key of Datadog', ['datadog'], '[a-f0-9]{32}'),
  assigned(
    'launchdarkly-access-token',
    'Access token of LaunchDarkly',
    ['launchdarkly'],
    `(?:api|sdk)-${UUID}|[a-z0-9=_-]{40}`,
  ),
  assigned('codecov-access-token', 'Access token of Codecov', ['codecov'], `[a-z0-9]{32}|${UUID}`),
  {
    id: 'nuget-config-password',
    kind: 'secret',
    what: 'Password in a NuGet configuration',
    trigger: { anchors: ['cleartextpassword'] },
    pattern: /ClearTextPassword"\s{1,8}value="(?<value>[^"\n]{4,128})"/diy,
    valid: isStoredPassword,
  },
  {
    id: 'jfrog-access-token',
    kind: 'secret',
    what: 'Key or token of JFrog',
    trigger: { anchors: ['jfrog', 'artifactory'] },
    pattern:
      /(?:jfrog|artifactory)[\w .-]{0,32}["']?\s{0,8}[=:]\s{0,8}["']?(?<value>[A-Za-z0-9]{64,73})(?![A-Za-z0-9])/diy,
    valid: looksRandom,
    before: WORD_START,
  },
];

function hasDigitsAndIsRandom(value: string): boolean {
  return /\d/.test(value.slice(4)) && looksRandom(value);
}

/** An environment variable between percent signs or a default is none. */
function isStoredPassword(value: string): boolean {
  return !/^%.*%$|^\$|^(?:password|secret|pass|token)$/i.test(value) && looksRandom(value);
}
