import { program, type RealServer } from './server.ts';

/** What the server offers only to a client that it may ask something. */
export const ASKING_TOOLS = [
  'get-roots-list',
  'trigger-elicitation-request',
  'trigger-sampling-request',
  'trigger-url-elicitation',
];

/** What it makes during a session; a catalog approves it by its pattern. */
export const SESSION_RESOURCES = {
  uriTemplate: 'demo://resource/session/{name}',
  name: 'session-files',
};

export const everything: RealServer = {
  name: 'everything',
  entry: () => program('@modelcontextprotocol/server-everything/dist/index.js', 'stdio'),
  steps: () => [
    ['echo', { message: 'Zoë says 🜁 and "quotes"' }],
    ['get-annotated-message', { messageType: 'error', includeImage: true }],
    ['get-env', {}],
    ['get-resource-links', { count: 4 }],
    ['get-resource-reference', { resourceType: 'Blob', resourceId: 3 }],
    ['get-resource-reference', { resourceType: 'Text', resourceId: 9007199254740991 }],
    ['get-structured-content', { location: 'Chicago' }],
    ['get-sum', { a: 0.1, b: 1e21 }],
    ['get-sum', { a: -9007199254740991, b: 2 }],
    ['get-tiny-image', {}],
    ['gzip-file-as-resource', { name: 'a.gz', data: 'data:text/plain,compressed', outputType: 'resource' }],
    ['gzip-file-as-resource', { name: 'b.gz', data: 'data:text/plain,compressed', outputType: 'resourceLink' }],
    ['toggle-simulated-logging', {}],
    ['toggle-simulated-logging', {}],
    ['toggle-subscriber-updates', {}],
    ['toggle-subscriber-updates', {}],
    ['trigger-long-running-operation', { duration: 0.1, steps: 2 }],
    ['get-roots-list', {}],
    ['trigger-elicitation-request', {}],
    ['trigger-url-elicitation', { url: 'https://example.com/consent', elicitationId: 'one' }],
    ['trigger-sampling-request', { prompt: 'Say something.', maxTokens: 10 }],
    // For clients with the experimental tasks of 2025-11-25 only: refused to all others.
    ['simulate-research-query', { topic: 'tea' }],
    // Its own refusal.
    ['get-structured-content', { location: 'Nowhere' }],
  ],
  failing: ['simulate-research-query', 'get-structured-content'],
  prompts: {
    'simple-prompt': {},
    'args-prompt': { city: 'Graz', state: 'Styria' },
    'completable-prompt': { department: 'Engineering', name: 'Alice' },
    'resource-prompt': { resourceType: 'Text', resourceId: '7' },
  },
  templates: {
    'demo://resource/dynamic/text/{resourceId}': 'demo://resource/dynamic/text/5',
    'demo://resource/dynamic/blob/{resourceId}': 'demo://resource/dynamic/blob/5',
    [SESSION_RESOURCES.uriTemplate]: 'demo://resource/session/a.gz',
  },
  // Of its environment only the variables that everybody has; times; ids of sessions.
  steady: (text) =>
    text
      .replace(/^\{\n(?: {2}"\w+": .*\n)+\}$/, '{ an environment }')
      .replace(/^UmVzb3VyY2Ug[\w+/]+=*$/, 'a text with a time, in base64')
      .replaceAll(/\d{1,2}:\d\d:\d\d [AP]M|\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'then')
      .replaceAll(/session [0-9a-f-]{36}/g, 'session ID'),
};
