// The small stores on real Postgres: projects, values, tokens, idempotency keys, workers, uploads.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { asWorkerId } from '#core/ids.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { newProjectSettings, newWorkerInfo } from '#testing/factories.js';
import { Database } from './database.js';
import { IdempotencyStore } from './idempotency.store.js';
import { ParametersStore } from './parameters.store.js';
import { ProjectsStore } from './projects.store.js';
import { MasterKey } from './seal.js';
import { KEPT_SECRET_VERSIONS, SecretsStore } from './secrets.store.js';
import { TokensStore } from './tokens.store.js';
import { UploadsStore } from './uploads.store.js';
import { WorkersStore } from './workers.store.js';

let test: TestDatabase;
let db: Database;

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 6 });
});
afterAll(async () => {
  await db?.close();
  await test?.drop();
});
beforeEach(async () => {
  await db.query('TRUNCATE project, parameter, secret, api_token, idempotency_key, worker, source_upload CASCADE');
});

describe('ProjectsStore', () => {
  it('creates, reads, updates and deletes; refuses twice and unknown', async () => {
    const projects = new ProjectsStore(db);
    const made = await projects.create('demo', newProjectSettings());
    expect(await projects.get('demo')).toEqual(made);
    await expect(projects.create('demo', newProjectSettings())).rejects.toMatchObject({ code: 'PROJECT_EXISTS' });
    expect((await projects.update('demo', newProjectSettings({ priority: 3 }))).settings.priority).toBe(3);
    const { id } = await projects.get('demo');
    expect([await projects.delete('demo'), await projects.delete('demo')]).toEqual([[`caches/${id}/`], null]);
    await expect(projects.get('demo')).rejects.toMatchObject({ code: 'PROJECT_NOT_FOUND' });
    await expect(projects.update('demo', newProjectSettings())).rejects.toMatchObject({ code: 'PROJECT_NOT_FOUND' });
  });

  it.each(['NAME', 'CREATED_TIME', 'LAST_MODIFIED_TIME'] as const)(
    'pages by %s both ways, also through equal times',
    async (sortBy) => {
      const projects = new ProjectsStore(db);
      for (const name of ['p3', 'p1', 'p2', 'p5', 'p4']) await projects.create(name, newProjectSettings());
      await db.query(`UPDATE project SET created_at = '2026-01-01', updated_at = '2026-01-01' WHERE name < 'p4'`);
      const walk = async (sortOrder: 'ASCENDING' | 'DESCENDING'): Promise<string[]> => {
        const names: string[] = [];
        for (let cursor: string | null | undefined; cursor !== null;) {
          const page = await projects.list({
            limit: 2,
            sortBy,
            sortOrder,
            ...(cursor === undefined ? {} : { cursor }),
          });
          names.push(...page.items.map((project) => project.name));
          cursor = page.nextCursor;
        }
        return names;
      };
      const up = await walk('ASCENDING');
      expect(up).toHaveLength(5);
      expect(up.slice(0, 3)).toEqual(['p1', 'p2', 'p3']);
      expect(await walk('DESCENDING')).toEqual([...up].reverse());
    },
  );
});

describe.each([
  ['ParametersStore', ParametersStore, 'PARAMETER_NOT_FOUND', 'parameter'],
  ['SecretsStore', SecretsStore, 'SECRET_NOT_FOUND', 'secret'],
] as const)('%s', (_, Store, missing, table) => {
  it('keeps values sealed, counts versions, lists without values', async () => {
    const store = new Store(db, new MasterKey(Buffer.alloc(32, 1)));
    expect(await store.put('a', 'one')).toMatchObject({ name: 'a', version: 1 });
    expect(await store.put('a', 'two')).toMatchObject({ name: 'a', version: 2 });
    await store.put('b', 'x');
    expect(await store.value('a')).toBe('two');
    const page = await store.list(undefined, 1);
    expect(page.items).toMatchObject([{ name: 'a', version: 2 }]);
    expect((await store.list(page.nextCursor ?? undefined, 1)).items).toMatchObject([{ name: 'b' }]);
    await expect(new Store(db, new MasterKey(Buffer.alloc(32, 2))).value('a')).rejects.toThrow('another master key');
    await db.query(`UPDATE ${table} SET sealed = (SELECT sealed FROM ${table} WHERE name = 'a') WHERE name = 'b'`);
    await expect(store.value('b')).rejects.toThrow('belong to another name');
    expect([await store.delete('a'), await store.delete('a')]).toEqual([true, false]);
    await expect(store.value('a')).rejects.toMatchObject({ code: missing });
  });
});

describe('SecretsStore', () => {
  const key = new MasterKey(Buffer.alloc(32, 1));

  it('gives the present version, the one before it, and any by its id', async () => {
    const store = new SecretsStore(db, key);
    const written = [];
    for (const value of ['one', 'two', 'three']) written.push(await store.put('a', value));
    await store.put('b', 'other');
    expect(await store.value('a', { stage: 'AWSCURRENT' })).toBe('three');
    expect(await store.value('a', { stage: 'AWSPREVIOUS' })).toBe('two');
    for (const [index, value] of ['one', 'two', 'three'].entries())
      expect(await store.value('a', { versionId: written[index]!.versionId })).toBe(value);
    expect((await store.list(undefined, 1)).items[0]!.versionId).toBe(written[2]!.versionId);
    await expect(store.value('b', { stage: 'AWSPREVIOUS' })).rejects.toThrow(
      'there is no secret named b with a version AWSPREVIOUS',
    );
    const foreign = { versionId: written[0]!.versionId };
    await expect(store.value('b', foreign)).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' });
    await expect(store.value('b', { versionId: 'no uuid' })).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' });
    await store.delete('a');
    await store.put('a', 'anew');
    await expect(store.value('a', foreign)).rejects.toMatchObject({ code: 'SECRET_NOT_FOUND' });
  });

  it('loses no version when many write at once, and keeps so many', async () => {
    const store = new SecretsStore(db, key);
    const count = KEPT_SECRET_VERSIONS + 5;
    const versions = await Promise.all(Array.from({ length: count }, (_, index) => store.put('a', `v${index}`)));
    expect(versions.map(({ version }) => version).sort((a, b) => a - b)).toEqual(
      Array.from({ length: count }, (_, index) => index + 1),
    );
    const { rows } = await db.query<{ kept: number; oldest: number }>(
      'SELECT count(*)::int AS kept, min(version)::int AS oldest FROM secret_version',
    );
    expect(rows).toEqual([{ kept: KEPT_SECRET_VERSIONS, oldest: 5 }]);
    for (const [index, { versionId }] of versions.entries()) {
      if (versions[index]!.version < 5) continue;
      expect(await store.value('a', { versionId })).toBe(`v${index}`);
    }
  });
});

describe('TokensStore', () => {
  it('knows a token until it is revoked or expired, and stores no token', async () => {
    const tokens = new TokensStore(db);
    const { id, token } = await tokens.create('ci');
    expect(token).toMatch(/^kiln_[\w-]{43}$/);
    expect(await tokens.find(token)).toEqual({ id, name: 'ci' });
    expect(await tokens.find('kiln_other')).toBeNull();
    const expired = await tokens.create('old', new Date(Date.now() - 1000));
    expect(await tokens.find(expired.token)).toBeNull();
    expect([await tokens.revoke(id), await tokens.revoke(id)]).toEqual([true, false]);
    expect(await tokens.find(token)).toBeNull();
    await tokens.ensure('admin', 'my-own');
    await tokens.ensure('admin', 'my-own');
    expect(await tokens.find('my-own')).toMatchObject({ name: 'admin' });
    const { rows } = await db.query<{ all: string }>('SELECT string_agg(api_token::text, $1) AS all FROM api_token', [
      '',
    ]);
    expect(rows[0]!.all).not.toContain(token);
  });
});

describe('IdempotencyStore', () => {
  const place = { principal: 'ada', route: 'POST /v1/builds', key: 'k' };
  const request = { ...place, requestHash: 'h', maxAgeMs: 60_000 };

  it('lets one of many do the work, and gives the others its answer', async () => {
    const store = new IdempotencyStore(db);
    const begun = await Promise.all(Array.from({ length: 6 }, () => store.begin(request)));
    const states = begun.map(({ state }) => state);
    expect(new Set(begun.map((one) => (one.state === 'done' ? null : one.id))).size).toBe(1);
    expect(states.filter((state) => state === 'new')).toHaveLength(1);
    expect(states.filter((state) => state === 'running')).toHaveLength(5);
    await store.finish({ ...place, status: 201, body: { id: 'x' } });
    await store.abandon(place); // too late: the answer stays
    expect(await store.begin(request)).toEqual({ state: 'done', status: 201, body: { id: 'x' } });
    await expect(store.begin({ ...request, requestHash: 'other' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_MISMATCH',
    });
    expect((await store.begin({ ...request, principal: 'bob' })).state).toBe('new');
  });

  it('frees a key that was abandoned, is too old, or was expired', async () => {
    const store = new IdempotencyStore(db);
    const first = await store.begin(request);
    await store.abandon(place);
    const second = await store.begin(request);
    expect(second.state).toBe('new');
    expect(second).not.toEqual(first); // another use of the key, another id
    await db.query(`UPDATE idempotency_key SET created_at = now() - interval '2 minutes'`);
    expect((await store.begin({ ...request, requestHash: 'other' })).state).toBe('new');
    expect(await store.expire(new Date(), 60_000)).toBe(0);
    expect(await store.expire(new Date(Date.now() + 120_000), 60_000)).toBe(1);
  });
});

describe('WorkersStore', () => {
  it('lists who was heard of lately, as last reported', async () => {
    const workers = new WorkersStore(db);
    await workers.beat(newWorkerInfo({ id: asWorkerId('w-1') }));
    await workers.beat(newWorkerInfo({ id: asWorkerId('w-1'), running: 2, state: 'DRAINING' }));
    await workers.beat(newWorkerInfo({ id: asWorkerId('w-2') }));
    await db.query(`UPDATE worker SET seen_at = now() - interval '11 minutes' WHERE id = 'w-2'`);
    expect(await workers.list()).toMatchObject([{ id: 'w-1', running: 2, state: 'DRAINING' }]);
    await workers.leave(asWorkerId('w-1'));
    expect(await workers.list()).toEqual([]);
  });
});

describe('UploadsStore', () => {
  it('gives back what was added, and refuses the rest', async () => {
    const uploads = new UploadsStore(db);
    const upload = { id: randomUUID(), format: 'zip', sizeBytes: 5e9, sha256: 'x', location: 'uploads/x' };
    await uploads.add(upload);
    expect(await uploads.get(upload.id)).toMatchObject(upload);
    await expect(uploads.get(randomUUID())).rejects.toMatchObject({ code: 'UPLOAD_NOT_FOUND' });
    await expect(uploads.get('../etc')).rejects.toMatchObject({ code: 'UPLOAD_NOT_FOUND' });
  });
});
