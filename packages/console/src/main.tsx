import { render } from 'preact';
import { Engine } from './engine.ts';
import { serve } from './serve.ts';
import { App } from './view/app.tsx';

/** The page hands its own text to a worker: there is one script, and one hash of it in the policy of the page. */
function start(): void {
  const script = document.currentScript?.textContent;
  const root = document.getElementById('app');
  if (script == null || root === null) throw new Error('this script has to be inline in its page');
  render(<App engine={new Engine(script)} />, root);
}

if (typeof document === 'undefined') serve();
else start();
