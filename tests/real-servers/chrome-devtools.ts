import { join } from 'node:path';
import { program, type RealServer, type Said } from './server.ts';

const PAGE_ID = 2;

/** @param chromium its path */
export const chromeDevtools = (chromium: string): RealServer => ({
  name: 'chrome-devtools',
  entry: ({ folder }) => ({
    ...program(
      'chrome-devtools-mcp/build/src/bin/chrome-devtools-mcp.js',
      ...['--headless', '--isolated', '--executable-path', chromium, '--chrome-arg=--no-sandbox'],
      ...['--no-usage-statistics', '--no-performance-crux'],
    ),
    env: { HOME: folder, CHROME_DEVTOOLS_MCP_NO_UPDATE_CHECKS: '1' },
  }),
  // This Chromium cannot record its screen.
  failing: ['screencast_start'],
  files: { 'note.txt': 'a note' },
  steps: ({ folder, page }) =>
    [
      ['new_page', { url: page }],
      ['list_pages', {}],
      ['select_page', { pageId: PAGE_ID }],
      ['wait_for', { pageId: PAGE_ID, text: ['A form'] }],
      ['take_snapshot', { pageId: PAGE_ID }],
      ['fill', (said: Said) => ({ pageId: PAGE_ID, uid: uid(said, 'textbox "Name'), value: 'Ada' })],
      [
        'fill_form',
        (said: Said) => ({ pageId: PAGE_ID, elements: [{ uid: uid(said, 'textbox "Name'), value: 'Zoë 🜁' }] }),
      ],
      ['type_text', { pageId: PAGE_ID, text: '!' }],
      ['press_key', { pageId: PAGE_ID, key: 'Tab' }],
      ['hover', (said: Said) => ({ pageId: PAGE_ID, uid: uid(said, 'button "Ask') })],
      ['get_css_styles', (said: Said) => ({ pageId: PAGE_ID, uid: uid(said, 'button "Ask') })],
      [
        'drag',
        (said: Said) => ({
          pageId: PAGE_ID,
          from_uid: uid(said, 'button "From'),
          to_uid: uid(said, 'button "To'),
        }),
      ],
      [
        'upload_file',
        (said: Said) => ({
          pageId: PAGE_ID,
          uid: uid(said, 'button "File'),
          filePaths: [join(folder, 'note.txt')],
        }),
      ],
      ['click', (said: Said) => ({ pageId: PAGE_ID, uid: uid(said, 'button "Ask') })],
      ['handle_dialog', { pageId: PAGE_ID, action: 'accept' }],
      ['evaluate_script', { pageId: PAGE_ID, function: '() => document.title' }],
      ['list_console_messages', { pageId: PAGE_ID }],
      ['get_console_message', { pageId: PAGE_ID, msgid: 1 }],
      ['list_network_requests', { pageId: PAGE_ID }],
      [
        'get_network_request',
        (said: Said) => ({ pageId: PAGE_ID, reqid: Number(found(said, 'list_network_requests', /reqid=(\d+)/)) }),
      ],
      ['emulate', { pageId: PAGE_ID, colorScheme: 'dark' }],
      ['resize_page', { pageId: PAGE_ID, width: 800, height: 600 }],
      ['take_screenshot', { pageId: PAGE_ID }],
      ['navigate_page', { pageId: PAGE_ID, type: 'reload' }],
      ['take_heapsnapshot', { pageId: PAGE_ID, filePath: join(folder, 'heap.heapsnapshot') }],
      ['performance_start_trace', { pageId: PAGE_ID, reload: true, autoStop: false }],
      ['performance_stop_trace', { pageId: PAGE_ID }],
      [
        'performance_analyze_insight',
        (said: Said) => ({
          pageId: PAGE_ID,
          insightSetId: found(said, 'performance_stop_trace', /insight set id: (\S+)/),
          insightName: 'DocumentLatency',
        }),
      ],
      ['lighthouse_audit', { pageId: PAGE_ID, mode: 'snapshot' }],
      ['screencast_start', { pageId: PAGE_ID, filePath: join(folder, 'cast.webm') }],
      ['screencast_stop', { pageId: PAGE_ID }],
      ['close_page', { pageId: PAGE_ID }],
    ] as const,
});

const uid = (said: Said, element: string): string => found(said, 'take_snapshot', new RegExp(`uid=(\\S+) ${element}`));

function found(said: Said, tool: string, pattern: RegExp): string {
  const match = pattern.exec(said[tool] ?? '')?.[1];
  if (match === undefined) throw new Error(`${tool} did not say ${pattern}: ${said[tool]}`);
  return match;
}
