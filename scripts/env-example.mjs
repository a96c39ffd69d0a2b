// Writes .env.example from the settings (after a build): npm run env:example.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOME, newSay, setUp } from './setup.mjs';

await setUp(newSay(Date.now()));
const { envExample } = await import('../dist/libs/config/src/env-example.js');
writeFileSync(join(HOME, '.env.example'), envExample());
