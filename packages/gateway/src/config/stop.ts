import { duration, integer, nullable, oneOf, section, setting, text } from './readers.ts';

/** What stops an agent or a server without an operator; null: nothing does. */
export type StopConfig = {
  denyRate: { thousandths: number; calls: number; windowMs: number } | null;
  injections: { count: number; windowMs: number } | null;
  drift: { count: number } | null;
  /** What is stopped: the agent, or its session alone. */
  scope: 'agent' | 'session';
};

/** In thousandths, since the hash of a configuration covers whole numbers only. */
const share = text('a share above 0 and up to 1 with at most three decimals, such as 0.5', (given) => {
  const thousandths = /^(?:0?\.\d{1,3}|1(?:\.0{1,3})?)$/.test(given) ? Math.round(Number(given) * 1000) : 0;
  return thousandths > 0 ? thousandths : undefined;
});

const count = (standard: string, meaning: string) => setting(integer(1, 1_000_000), standard, meaning);
const window = (standard: string) => setting(duration('1s', '24h'), standard, 'How far back is counted.');

const denyRate = section('a share of denied calls', {
  share: setting(share, '0.5', 'Share of the agent’s calls that are denied.'),
  calls: count('20', 'Fewer calls than this within the window say nothing.'),
  window: window('5m'),
});

const injections = section('a number of answers with instructions', {
  count: count('5', 'Calls of one agent in whose answers inspection found instructions.'),
  window: window('10m'),
});

const drift = section(
  'a number of departures',
  { count: count('1', 'How often a server departs from what was approved of it.') },
  'count',
);

export const stopSection = section('what stops by itself', {
  deny_rate: setting(nullable(denyRate), 'null', 'Stops an agent of whose calls too many are denied.'),
  injections: setting(nullable(injections), 'null', 'Stops an agent that is given too many instructions by servers.'),
  drift: setting(nullable(drift), 'null', 'Stops a server that offers something else than was approved.'),
  scope: setting(oneOf('agent', 'session'), 'agent', 'What is stopped: the agent, or the one session of it.'),
});

type Given = Exclude<ReturnType<(typeof stopSection)['read']>, undefined>;

export function stopConfig({ deny_rate, injections: injected, drift: departed, scope }: Given): StopConfig {
  return {
    denyRate: deny_rate && {
      thousandths: deny_rate.share,
      calls: deny_rate.calls,
      windowMs: deny_rate.window,
    },
    injections: injected && { count: injected.count, windowMs: injected.window },
    drift: departed,
    scope,
  };
}
