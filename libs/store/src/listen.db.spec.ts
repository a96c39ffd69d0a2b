// Notifications on real Postgres, also over a cut connection.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { asBuildId } from '#core/ids.js';
import { newTestDatabase, type TestDatabase } from '#testing/database.js';
import { Database } from './database.js';
import { type BuildChange, Listener } from './listen.js';

const ID = asBuildId('00000000-0000-4000-8000-000000000001');
const OTHER = asBuildId('00000000-0000-4000-8000-000000000002');

let test: TestDatabase;
let db: Database;
let listener: Listener;

beforeAll(async () => {
  test = await newTestDatabase();
  db = await Database.connect({ url: test.url, pool: 2 });
  listener = await Listener.start(test.url);
});
afterAll(async () => {
  await listener?.close();
  await db?.close();
  await test?.drop();
});

const notify = (payload: string) => db.query(`SELECT pg_notify('kilnyard_build', $1)`, [payload]);

describe('Listener', () => {
  it('tells each subscriber of its own build until it unsubscribes', async () => {
    const heard: BuildChange[] = [];
    const end = listener.onChange(ID, (change) => heard.push(change));
    const woken = listener.waitForChange(ID, 5_000);
    await notify(`${OTHER} status`);
    await notify('nonsense');
    await notify(`${ID} stop`);
    expect(await woken).toBe(true);
    expect(heard).toEqual([{ buildId: ID, kind: 'stop' }]);
    end();
    const again = listener.waitForChange(ID, 5_000);
    await notify(`${ID} log`);
    await again;
    expect(heard).toHaveLength(1);
  });

  it('times out, and gives up with the signal’s reason', async () => {
    expect(await listener.waitForChange(ID, 10)).toBe(false);
    const abort = new AbortController();
    const waiting = listener.waitForChange(ID, 60_000, abort.signal);
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(listener.waitForChange(ID, 60_000, abort.signal)).rejects.toThrow('enough');
  });

  it('reconnects by itself and wakes everyone once, since something may have been missed', async () => {
    const heard: BuildChange[] = [];
    const ends = [ID, OTHER].map((id) => listener.onChange(id, (change) => heard.push(change)));
    const waiting = Promise.all([listener.waitForChange(ID, 20_000), listener.waitForChange(OTHER, 20_000)]);
    await db.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kilnyard-listen' AND datname = current_database()`,
    );
    expect(await waiting).toEqual([true, true]);
    expect(listener.connected).toBe(true);
    expect(heard.map((change) => change.kind)).toEqual(['missed', 'missed']);
    const woken = listener.waitForChange(ID, 5_000);
    await notify(`${ID} log`);
    expect(await woken).toBe(true);
    for (const end of ends) end();
  });
});
