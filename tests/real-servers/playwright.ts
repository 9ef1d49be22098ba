import { join } from 'node:path';
import { program, type RealServer } from './server.ts';

/** @param chromium its path */
export const playwright = (chromium: string): RealServer => ({
  name: 'playwright',
  entry: ({ folder }) => ({
    ...program(
      '@playwright/mcp/cli.js',
      '--headless',
      '--no-sandbox',
      '--isolated',
      '--allow-unrestricted-file-access',
      '--executable-path',
      chromium,
    ),
    env: { HOME: folder, PLAYWRIGHT_MCP_OUTPUT_DIR: join(folder, 'out') },
  }),
  failing: ['browser_click'],
  files: { 'note.txt': 'a note' },
  steps: ({ folder, page }) => [
    ['browser_navigate', { url: page }],
    ['browser_snapshot', {}],
    ['browser_find', { text: 'Ask' }],
    ['browser_resize', { width: 800, height: 600 }],
    ['browser_emulate_media', { colorScheme: 'dark' }],
    ['browser_type', { target: '#name', text: 'Ada' }],
    ['browser_press_key', { key: 'Tab' }],
    ['browser_fill_form', { fields: [{ name: 'Name', type: 'textbox', target: '#name', value: 'Zoë 🜁' }] }],
    ['browser_select_option', { target: '#colour', values: ['blue'] }],
    ['browser_hover', { target: '#ask' }],
    ['browser_drag', { startTarget: '#from', endTarget: '#to' }],
    ['browser_drop', { target: '#to', data: { 'text/plain': 'dropped' } }],
    ['browser_click', { target: '#ask' }],
    ['browser_handle_dialog', { accept: true }],
    ['browser_click', { target: '#file' }],
    ['browser_file_upload', { paths: [join(folder, 'note.txt')] }],
    ['browser_evaluate', { function: "() => document.getElementById('name').value" }],
    ['browser_run_code_unsafe', { code: 'async (page) => page.title()' }],
    ['browser_console_messages', { level: 'error' }],
    ['browser_network_requests', { static: true }],
    ['browser_network_request', { index: 1 }],
    ['browser_take_screenshot', { scale: 'css', type: 'png' }],
    ['browser_wait_for', { text: 'A form' }],
    ['browser_tabs', { action: 'list' }],
    ['browser_navigate', { url: `${page}second` }],
    ['browser_navigate_back', {}],
    // Its own failure: there is no such element.
    ['browser_click', { target: '#nothing-of-that-name' }],
    ['browser_close', {}],
  ],
});
