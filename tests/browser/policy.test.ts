import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { stringifyJson } from '../../packages/evidence/src/index.ts';
import { chromiumPath } from '../support/chromium-path.ts';
import { drop, launch, openPage, PAGE_FILE, verdict } from './chromium.ts';
import { made, pin } from './sessions.ts';

const path = chromiumPath();
const skip = path === null ? 'there is no Chromium on this machine' : false;
let browser: Browser;
before(async () => {
  if (path !== null) browser = await launch(path);
});
after(() => browser?.close());

test('the page is one file whose policy names the hashes of its own script and style, and nothing else', async () => {
  const html = await readFile(PAGE_FILE, 'utf8');
  const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? '';
  const hashOf = (element: string): string => {
    const [, text = '', ...more] = html.split(new RegExp(`<${element}>|</${element}>`));
    assert.equal(more.length, 1, `one ${element} element`);
    return createHash('sha256').update(text).digest('base64');
  };
  assert.deepEqual(policy.split('; '), [
    "default-src 'none'",
    `script-src 'sha256-${hashOf('script')}'`,
    `style-src 'sha256-${hashOf('style')}'`,
    'worker-src blob:',
    "connect-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types cmcp-worker',
  ]);
  assert.doesNotMatch(html, /<(?:link|img|iframe|object|embed|script|base)\s[^>]*(?:src|href|data)=/);
});

test('a whole visit asks the network for nothing, and breaks no rule of the policy', { skip }, async () => {
  const good = await made(5);
  const { page, requests, complaints } = await openPage(browser);
  await drop(page, [good.file]);
  await pin(page, good);
  await verdict(page, 'verified');
  for (const node of ['root', 'hardware', 'key', 'claim', 'entry-0', 'entry-6']) {
    await page.locator(`[data-node="${node}"]`).click();
    await page.locator('#panel-title').waitFor();
  }
  await page.getByRole('button', { name: 'Show what tampering does' }).click();
  await verdict(page, 'refused');
  assert.deepEqual(complaints, []);
  const own = requests.filter((url) => url.startsWith('blob:'));
  assert.equal(own.length, 1, 'the worker, whose text is the page’s own script');
  assert.deepEqual(requests, own);
});

test('a script that got into the page could not run, evaluate, load or send anything', { skip }, async () => {
  const { page, complaints } = await openPage(browser);
  await using heard = await listener();
  const refused = await page.evaluate(async (elsewhere) => {
    const outcome = async (act: () => unknown): Promise<string> => {
      try {
        await act();
        return 'done';
      } catch (error) {
        return error instanceof Error ? error.name : 'refused';
      }
    };
    const script = document.createElement('script');
    return {
      inline: await outcome(() => {
        script.textContent = 'window.ran = true';
        document.body.append(script);
      }),
      html: await outcome(() => {
        document.body.innerHTML = `<img src="${elsewhere}">`;
      }),
      evaluate: await outcome(
        // In a task of its own: the browser lets a debugger's own call evaluate.
        () =>
          new Promise((resolve, reject) => {
            setTimeout(() => {
              try {
                resolve(Reflect.construct(Function, ['return 1']));
              } catch (error) {
                reject(error);
              }
            });
          }),
      ),
      fetch: await outcome(() => fetch(elsewhere)),
      image: await outcome(() => {
        document.body.append(Object.assign(new Image(), { src: elsewhere }));
      }),
      ran: String('ran' in window),
    };
  }, heard.url);
  assert.deepEqual(refused, {
    inline: 'TypeError',
    html: 'TypeError',
    evaluate: 'EvalError',
    fetch: 'TypeError',
    image: 'done',
    ran: 'false',
  });
  assert.equal(heard.requests(), 0);
  await fetch(heard.url);
  assert.equal(heard.requests(), 1, 'it does hear');
  assert.ok(complaints.length >= 4, 'the browser complained, so the other tests would have seen it');
});

/** A server on this machine that hears whether anyone asks it for something. */
async function listener(): Promise<{ url: string; requests(): number } & AsyncDisposable> {
  let requests = 0;
  const server = createServer((_, response) => {
    requests++;
    response.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

const HOSTILE = [
  '<img src=x onerror=alert(1)>',
  '</script><script>alert(1)</script>',
  '\u202egnp.exe\u2066',
  '\u001b[31mred\u001b[0m\u0007',
  '"><b>bold',
];

test('names from a file are text: no markup, no control character, no writing direction acts', { skip }, async () => {
  const { session } = await made(HOSTILE.length);
  for (const [i, name] of HOSTILE.entries()) {
    const entry = session.bundle.entries[i + 1];
    assert.ok(entry);
    entry.tool_name = name;
    entry.policy_decision = name as 'allow';
  }
  session.claim.gateway.session_id = HOSTILE[2] ?? '';
  const { page, requests, complaints } = await openPage(browser);
  const file = { name: `${HOSTILE[0]}${HOSTILE[2]}.cmcp.json`, text: stringifyJson(session) };
  await drop(page, [file]);
  await verdict(page, 'refused');
  for (let i = 1; i <= HOSTILE.length; i++) {
    await page.locator(`[data-node="entry-${i}"]`).click();
    await page.getByRole('heading', { name: `Entry ${i}: tool call` }).waitFor();
    assert.deepEqual(await acting(page), { elements: 0, texts: [], attributes: [] });
  }
  const shown = await page.locator('[data-node="entry-1"] bdi').nth(1).textContent();
  assert.equal(shown, HOSTILE[0]);
  assert.deepEqual(complaints, []);
  assert.deepEqual(
    requests.filter((url) => !url.startsWith('blob:')),
    [],
  );
});

/** What in the page came from a file and does more than being read. */
function acting(page: Page): Promise<{ elements: number; texts: string[]; attributes: string[] }> {
  return page.evaluate(() => {
    const acts = (text: string | null): boolean => /\p{Cf}|[^\P{Cc}\n\t]/u.test(text ?? '');
    const elements = [...document.querySelectorAll('main *')];
    return {
      elements: document.querySelectorAll('main img, main script, main b').length,
      texts: elements.filter((element) => acts(element.textContent)).map((element) => element.className),
      attributes: elements.flatMap((element) =>
        [...element.attributes].filter(({ value }) => acts(value)).map(({ name, value }) => `${name}=${value}`),
      ),
    };
  });
}
