import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { until } from '#testing/until.js';
import { ADMIN_TOKEN, newApiUnderTest, projectBody, type ApiUnderTest } from './testing/api-under-test.js';

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

describe('while it shuts down', () => {
  it('answers a request on a connection that was kept with 503 and Retry-After', async () => {
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    let heard = '';
    socket.on('data', (bytes) => (heard += bytes.toString()));
    const hungUp = once(socket, 'close');
    const head = (request: string, more = ''): string =>
      `${request} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n${more}\r\n`;
    const body = JSON.stringify(projectBody('late'));
    // at work until its body is there
    const more = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n`;
    socket.write(head('POST /v1/projects', more));
    await until('the request is at work', async () => heard.includes(' 100 Continue'));
    const stopped = api.stopApi();
    const takesNoMore = async (): Promise<boolean> =>
      fetch(`${api.url}/health`).then(
        () => false,
        () => true,
      );
    await until('new connections are refused', takesNoMore);
    socket.write(body + head('GET /v1/projects'));
    await Promise.all([stopped, hungUp]); // what was sent before the stop may be read after it
    expect(heard).toMatch(/HTTP\/1.1 201 /);
    expect(heard).toMatch(/HTTP\/1.1 503 [^]*retry-after: 2\r\n[^]*"code":"SHUTTING_DOWN"/i);
    await api.restartApi();
  }, 20_000);
});
