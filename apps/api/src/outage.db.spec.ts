import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newApiUnderTest, projectBody, type ApiUnderTest } from './testing/api-under-test.js';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await newApiUnderTest();
});
afterAll(() => api.close());

async function metric(name: string): Promise<number> {
  const text = await (await api.ask('GET', '/metrics')).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN);
}

describe('without Postgres', () => {
  it('answers 503 with Retry-After, and goes on when it is back', async () => {
    api.postgres.cut();
    const away = await api.ask('GET', '/v1/projects');
    expect([away.status, away.headers.get('retry-after')]).toEqual([503, '2']);
    expect(await away.json()).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    const token = await fetch(`${api.url}/v1/projects`, { headers: { authorization: 'Bearer kiln_other' } });
    expect(token.status).toBe(503);
    expect((await api.ask('POST', '/v1/projects', projectBody('x'), { 'idempotency-key': 'k' })).status).toBe(503);
    await new Promise((resolve) => setTimeout(resolve, 1100)); // past the second that health is remembered
    const health = await fetch(`${api.url}/health`);
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ status: 'failing', components: { database: { status: 'failing' } } });
    expect(await metric('kilnyard_database_up')).toBe(0);
    api.postgres.mend();
    expect((await api.ask('GET', '/v1/projects')).status).toBe(200);
  }, 30_000);

  it('ends a live stream with an error event, not with silence', async () => {
    const id = await api.startBuild('streamed');
    const answer = await api.ask('GET', `/v1/builds/${id}/log`, undefined, { accept: 'text/event-stream' });
    const text = answer.text();
    await new Promise((resolve) => setTimeout(resolve, 100));
    api.postgres.cut();
    // Any change wakes the reader; the reconnected listener does as well, and the poll in the end.
    const got = await text;
    api.postgres.mend();
    expect(got).toContain('event: error');
    expect(got).toContain('"code":"DATABASE_UNAVAILABLE"');
    await api.ask('POST', `/v1/builds/${id}/stop`);
  }, 20_000);
});
