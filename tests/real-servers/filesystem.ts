import { join } from 'node:path';
import { program, type RealServer } from './server.ts';

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

export const filesystem: RealServer = {
  name: 'filesystem',
  entry: ({ folder }) => program('@modelcontextprotocol/server-filesystem/dist/index.js', folder),
  files: { 'note.txt': 'first\nsecond – zwölf 🜁\nthird\n', 'pixel.png': Buffer.from(PIXEL, 'base64') },
  steps: ({ folder }) => {
    const note = join(folder, 'note.txt');
    const made = join(folder, 'made');
    const list = join(made, 'list.txt');
    return [
      ['list_allowed_directories', {}],
      ['read_file', { path: note, head: 1 }],
      ['read_text_file', { path: note }],
      ['read_media_file', { path: join(folder, 'pixel.png') }],
      ['create_directory', { path: made }],
      ['write_file', { path: list, content: 'milk\nbread\n' }],
      ['edit_file', { path: list, edits: [{ oldText: 'bread', newText: 'bread – two' }] }],
      ['read_multiple_files', { paths: [note, list] }],
      ['move_file', { source: list, destination: join(made, 'shopping.txt') }],
      ['list_directory', { path: folder }],
      ['list_directory_with_sizes', { path: made, sortBy: 'size' }],
      ['directory_tree', { path: folder }],
      ['search_files', { path: folder, pattern: '**/*.txt' }],
      ['get_file_info', { path: note }],
      // Its own refusal, which has to come through as one.
      ['read_text_file', { path: '/etc/hostname' }],
    ];
  },
  failing: ['read_text_file'],
  steady: (text) => text.replaceAll(/(created|modified|accessed): [^\n"\\]+/g, '$1: then'),
};
