import { duration, integer, list, nullable, oneOf, required, section, setting } from './readers.ts';

/** What each of something may use within a window (ASI-02). */
export type RateConfig = {
  per: 'caller' | 'tool' | 'session' | 'server' | 'caller+tool';
  /** Null: they are not counted. */
  calls: number | null;
  bytes: number | null;
  cost: number | null;
  windowMs: number;
  /** What becomes of whoever would use more: the call is refused, or the agent is stopped as well. */
  exceeded: 'refuse' | 'block';
};

const most = (meaning: string) => setting(nullable(integer(1, Number.MAX_SAFE_INTEGER)), 'null', meaning);

const rate = section('a limit', {
  per: required(
    oneOf('caller', 'tool', 'session', 'server', 'caller+tool'),
    'What has this much of its own: each agent, tool, session or server, or each agent of each tool.',
  ),
  calls: most('Calls that policy lets through.'),
  bytes: most('Bytes of arguments and answers.'),
  cost: most('Sum of what the calls cost: the `cost` of a tool in the catalog, or 1.'),
  window: required(duration('1s', '7d'), 'Time within which no more is used.'),
  exceeded: setting(
    oneOf('refuse', 'block'),
    'refuse',
    'What happens to a call that would use more: it is refused, or the agent is stopped too (docs/stopping.md).',
  ),
});

export const ratesReader = list(rate);

type Given = Exclude<ReturnType<(typeof ratesReader)['read']>, undefined>;

const MAX_RATES = 32;

/** What is wrong goes to `report`, by path. */
export function ratesConfig(given: Given, report: (key: string, message: string) => void): RateConfig[] {
  if (given.length > MAX_RATES) report('limits.rates', `at most ${MAX_RATES} limits`);
  return given.map(({ per, calls, bytes, cost, window, exceeded }, index) => {
    if (calls === null && bytes === null && cost === null)
      report(`limits.rates[${index}]`, 'limits nothing; give calls, bytes or cost');
    return { per, calls, bytes, cost, windowMs: window, exceeded };
  });
}
