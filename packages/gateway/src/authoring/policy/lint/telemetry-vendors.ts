/** A vendor of telemetry, monitoring or analytics, and how its endpoints and programs are recognised. */
interface Vendor {
  name: string;
  /** A host, and everything below it. */
  hosts: readonly string[];
  /** Words in the name of a program or package, joined with `-`. */
  programs: readonly string[];
}

export const TELEMETRY_VENDORS: readonly Vendor[] = [
  { name: 'Datadog', hosts: ['datadoghq.com', 'datadoghq.eu', 'ddog-gov.com'], programs: ['datadog'] },
  { name: 'Sentry', hosts: ['sentry.io', 'sentry.dev'], programs: ['sentry'] },
  { name: 'New Relic', hosts: ['newrelic.com', 'nr-data.net'], programs: ['newrelic', 'new-relic'] },
  { name: 'Honeycomb', hosts: ['honeycomb.io'], programs: ['honeycomb'] },
  { name: 'Dynatrace', hosts: ['dynatrace.com', 'dynatracelabs.com'], programs: ['dynatrace'] },
  { name: 'Splunk Observability', hosts: ['signalfx.com', 'splunkcloud.com'], programs: ['signalfx', 'splunk'] },
  { name: 'Grafana Cloud', hosts: ['grafana.net', 'grafana.com'], programs: ['grafana'] },
  { name: 'Elastic APM', hosts: ['apm.elastic-cloud.com'], programs: [] },
  { name: 'AppDynamics', hosts: ['appdynamics.com'], programs: ['appdynamics'] },
  { name: 'Lightstep', hosts: ['lightstep.com'], programs: ['lightstep'] },
  { name: 'Logz.io', hosts: ['logz.io'], programs: ['logzio'] },
  { name: 'Sumo Logic', hosts: ['sumologic.com'], programs: ['sumologic'] },
  { name: 'Better Stack', hosts: ['betterstack.com', 'logtail.com'], programs: ['betterstack', 'logtail'] },
  { name: 'Axiom', hosts: ['axiom.co'], programs: [] },
  { name: 'Rollbar', hosts: ['rollbar.com'], programs: ['rollbar'] },
  { name: 'Bugsnag', hosts: ['bugsnag.com'], programs: ['bugsnag'] },
  { name: 'Raygun', hosts: ['raygun.com', 'raygun.io'], programs: ['raygun'] },
  { name: 'Logfire', hosts: ['logfire.pydantic.dev'], programs: ['logfire'] },
  { name: 'Langfuse', hosts: ['langfuse.com'], programs: ['langfuse'] },
  { name: 'LangSmith', hosts: ['smith.langchain.com'], programs: ['langsmith'] },
  { name: 'Segment', hosts: ['segment.io', 'segment.com'], programs: [] },
  { name: 'Mixpanel', hosts: ['mixpanel.com'], programs: ['mixpanel'] },
  { name: 'Amplitude', hosts: ['amplitude.com'], programs: ['amplitude'] },
  { name: 'PostHog', hosts: ['posthog.com'], programs: ['posthog'] },
  { name: 'Heap', hosts: ['heap.io', 'heapanalytics.com'], programs: ['heapanalytics'] },
  { name: 'FullStory', hosts: ['fullstory.com'], programs: ['fullstory'] },
  { name: 'Hotjar', hosts: ['hotjar.com', 'hotjar.io'], programs: ['hotjar'] },
  { name: 'RudderStack', hosts: ['rudderstack.com'], programs: ['rudderstack'] },
  { name: 'Plausible', hosts: ['plausible.io'], programs: [] },
  {
    name: 'Google Analytics',
    hosts: ['google-analytics.com', 'analytics.google.com', 'analyticsdata.googleapis.com', 'googletagmanager.com'],
    programs: ['google-analytics', 'googleanalytics', 'ga4'],
  },
  { name: 'Azure Monitor', hosts: ['applicationinsights.azure.com', 'monitor.azure.com'], programs: [] },
];

/** Where collectors of the OpenTelemetry protocol listen (gRPC, HTTP). */
export const OTLP_PORTS: readonly string[] = ['4317', '4318'];
