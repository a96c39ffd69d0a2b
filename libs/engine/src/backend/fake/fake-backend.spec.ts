import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeBackend } from '../backend.contract.js';
import { FakeBackend } from './fake-backend.js';

describeBackend('processes', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'kilnyard-fake-'));
  const backend = new FakeBackend(dir);
  return {
    backend,
    image: 'fake:1',
    stop: async () => {
      await backend.clear();
      await rm(dir, { recursive: true, force: true });
    },
  };
});
