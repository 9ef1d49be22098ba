import { program, type RealServer } from './server.ts';

export const sequentialThinking: RealServer = {
  name: 'sequential-thinking',
  entry: () => program('@modelcontextprotocol/server-sequential-thinking/dist/index.js'),
  steps: () => [
    ['sequentialthinking', { thought: 'What is asked?', thoughtNumber: 1, totalThoughts: 3, nextThoughtNeeded: true }],
    [
      'sequentialthinking',
      {
        thought: 'Perhaps something else.',
        thoughtNumber: 2,
        totalThoughts: 3,
        nextThoughtNeeded: true,
        isRevision: true,
        revisesThought: 1,
      },
    ],
    [
      'sequentialthinking',
      {
        thought: 'Done.',
        thoughtNumber: 3,
        totalThoughts: 3,
        nextThoughtNeeded: false,
        branchFromThought: 2,
        branchId: 'b',
      },
    ],
  ],
  steady: (text) => text,
};
