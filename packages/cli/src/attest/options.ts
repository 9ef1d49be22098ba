import type { Option } from '../arguments.ts';

// Options of several actions: one name, one meaning.
export const OUT_OPTION: Option = {
  value: 'PATH',
  help: 'Where the result goes: a file that must not exist (default: standard output), or the folder to fill.',
};
export const ROOT_OPTION: Option = {
  value: 'FILE',
  multiple: true,
  help: 'A root certificate to trust besides those of the vendors.',
};
