import { globSync, rmSync } from 'node:fs';

for (const path of globSync(['packages/*/dist', 'packages/*/*.tsbuildinfo'])) rmSync(path, { recursive: true });
