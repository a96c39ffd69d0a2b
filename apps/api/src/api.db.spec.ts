import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newApiUnderTest, projectBody, type ApiUnderTest } from './testing/api-under-test.js';
import { TokensStore } from '#store/tokens.store.js';

interface ProblemBody {
  code: string;
  status: number;
  detail: string;
  requestId: string;
  findings: { field: string; expected: string; got: string }[];
}

let api: ApiUnderTest;
beforeAll(async () => {
  api = await newApiUnderTest({ KILNYARD_MAX_UPLOAD_BYTES: '2048' });
});
afterAll(() => api.close());

async function problemOf(answer: Response): Promise<ProblemBody> {
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  const problem = (await answer.json()) as ProblemBody;
  expect(problem.status).toBe(answer.status);
  expect(problem.requestId).toBe(answer.headers.get('x-request-id'));
  return problem;
}

describe('projects', () => {
  it('are created, read, listed, replaced and deleted', async () => {
    const created = await api.ask('POST', '/v1/projects', projectBody('alpha'));
    expect([created.status, created.headers.get('location')]).toEqual([201, '/v1/projects/alpha']);
    expect(await created.json()).toMatchObject({
      name: 'alpha',
      timeoutInMinutes: 60,
      environment: { privilegedMode: false },
    });
    expect((await api.ask('GET', '/v1/projects/alpha')).status).toBe(200);
    const replaced = await api.ask('PUT', '/v1/projects/alpha', { ...projectBody('alpha'), timeoutInMinutes: 90 });
    expect(await replaced.json()).toMatchObject({ timeoutInMinutes: 90 });
    expect(await problemOf(await api.ask('POST', '/v1/projects', projectBody('alpha')))).toMatchObject({
      code: 'PROJECT_EXISTS',
    });
    expect((await api.ask('DELETE', '/v1/projects/alpha')).status).toBe(204);
    expect((await api.ask('DELETE', '/v1/projects/alpha')).status).toBe(204);
    expect((await api.ask('GET', '/v1/projects/alpha')).status).toBe(404);
  });

  it('come in pages', async () => {
    for (const name of ['page-1', 'page-2', 'page-3']) await api.ask('POST', '/v1/projects', projectBody(name));
    const names: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = (await (await api.ask('GET', `/v1/projects?limit=2${query}`)).json()) as {
        items: { name: string }[];
        nextCursor: string | null;
      };
      names.push(...page.items.map((item) => item.name));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(names.filter((name) => name.startsWith('page-'))).toEqual(['page-1', 'page-2', 'page-3']);
  });
});

describe('builds', () => {
  it('start, wait with a reason, stop, are retried and deleted', async () => {
    await api.ask('POST', '/v1/projects', projectBody('builder'));
    const started = await api.ask('POST', '/v1/projects/builder/builds', {
      environmentVariablesOverride: [{ name: 'A', value: '1' }],
    });
    expect(started.status).toBe(201);
    const build = (await started.json()) as { id: string };
    expect(started.headers.get('location')).toBe(`/v1/builds/${build.id}`);
    expect(build).toMatchObject({
      buildNumber: 1,
      buildStatus: 'IN_PROGRESS',
      currentPhase: 'QUEUED',
      initiator: 'admin',
      waiting: { reason: 'NO_WORKER', position: 1 },
      environment: { environmentVariables: [{ name: 'A', value: '1', type: 'PLAINTEXT' }] },
      phases: [{ phaseType: 'SUBMITTED', phaseStatus: 'SUCCEEDED' }, { phaseType: 'QUEUED' }],
    });
    expect(await problemOf(await api.ask('DELETE', `/v1/builds/${build.id}`))).toMatchObject({
      code: 'BUILD_IN_PROGRESS',
    });
    const queue = (await (await api.ask('GET', '/v1/queue')).json()) as { waiting: number; builds: { id: string }[] };
    expect(queue.builds.map(({ id }) => id)).toContain(build.id);
    const stopped = await api.ask('POST', `/v1/builds/${build.id}/stop`);
    expect(await stopped.json()).toMatchObject({ buildStatus: 'STOPPED', buildComplete: true, waiting: null });
    const retried = await api.ask('POST', `/v1/builds/${build.id}/retry`);
    expect(retried.status).toBe(201);
    const again = (await retried.json()) as { id: string };
    expect(again).toMatchObject({
      buildNumber: 2,
      retryOf: build.id,
      environment: { environmentVariables: [{ name: 'A' }] },
    });
    await api.ask('POST', `/v1/builds/${again.id}/stop`);
    const list = (await (await api.ask('GET', '/v1/builds?project=builder&status=STOPPED')).json()) as {
      items: { id: string }[];
    };
    expect(list.items.map(({ id }) => id)).toEqual([again.id, build.id]);
    expect((await api.ask('DELETE', `/v1/builds/${again.id}`)).status).toBe(204);
    expect(await problemOf(await api.ask('GET', `/v1/builds/${again.id}`))).toMatchObject({ code: 'BUILD_NOT_FOUND' });
  });

  it('start without a body at all', async () => {
    await api.ask('POST', '/v1/projects', projectBody('bare'));
    const started = await api.ask('POST', '/v1/projects/bare/builds');
    expect(started.status).toBe(201);
    const { id } = (await started.json()) as { id: string };
    await api.ask('POST', `/v1/builds/${id}/stop`);
  });

  it('are refused for a buildspec that is wrong, with lines', async () => {
    await api.ask('POST', '/v1/projects', projectBody('speced'));
    const answer = await api.ask('POST', '/v1/projects/speced/builds', {
      buildspecOverride: 'version: 0.2\nphases: 17\n',
    });
    const problem = await problemOf(answer);
    expect(problem).toMatchObject({ code: 'BUILDSPEC_INVALID', status: 400 });
    expect(problem.findings[0]).toHaveProperty('line');
    expect(((await (await api.ask('GET', '/v1/builds?project=speced')).json()) as { items: [] }).items).toEqual([]);
  });
});

describe('what is refused', () => {
  const big = JSON.stringify({ name: 'big', description: 'x'.repeat(10_000_000) });
  it.each<[string, string, string, unknown, Record<string, string>, number, string]>([
    ['an unknown field', 'POST', '/v1/projects', { ...projectBody('bad'), surprise: 1 }, {}, 400, 'INVALID_INPUT'],
    ['an unknown query', 'GET', '/v1/projects?foo=1', undefined, {}, 400, 'INVALID_INPUT'],
    ['a page of too many', 'GET', '/v1/projects?limit=101', undefined, {}, 400, 'INVALID_INPUT'],
    ['a cursor that is none', 'GET', '/v1/builds?cursor=%00', undefined, {}, 400, 'INVALID_INPUT'],
    ['a made-up cursor', 'GET', '/v1/builds?cursor=abc', undefined, {}, 400, 'INVALID_INPUT'],
    ['a status that is none', 'GET', '/v1/builds?status=GREEN', undefined, {}, 400, 'INVALID_INPUT'],
    ['a body of 10 MB', 'POST', '/v1/projects', big, {}, 413, 'BODY_TOO_LARGE'],
    ['a cut body', 'POST', '/v1/projects', '{"name":', {}, 400, 'MALFORMED_BODY'],
    [
      'a form',
      'POST',
      '/v1/projects',
      'a=b',
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    ['XML', 'POST', '/v1/projects', '<a/>', { 'content-type': 'text/xml' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['no body where one is needed', 'POST', '/v1/projects', undefined, {}, 400, 'INVALID_INPUT'],
    ['no project of that name', 'POST', '/v1/projects/nobody/builds', {}, {}, 404, 'PROJECT_NOT_FOUND'],
    ['a build id that is none', 'GET', '/v1/builds/demo', undefined, {}, 400, 'INVALID_INPUT'],
    [
      'a build that is not there',
      'GET',
      '/v1/builds/demo:0f8fad5b-d9cb-469f-a165-70867728950e',
      undefined,
      {},
      404,
      'BUILD_NOT_FOUND',
    ],
    ['a path that is nowhere', 'GET', '/v1/nowhere', undefined, {}, 404, 'NOT_FOUND'],
    ['a method that is not there', 'PATCH', '/v1/projects', {}, {}, 405, 'METHOD_NOT_ALLOWED'],
    ['a method that is not there below', 'PUT', '/v1/builds/a:b', {}, {}, 405, 'METHOD_NOT_ALLOWED'],
    ['a broken escape in the URL', 'GET', '/v1/projects/%ZZ', undefined, {}, 400, 'MALFORMED_URL'],
    [
      'a local path',
      'POST',
      '/v1/projects',
      { name: 'local', source: { type: 'GIT', location: '/etc' } },
      {},
      403,
      'SOURCE_NOT_ALLOWED',
    ],
    [
      'privileges',
      'POST',
      '/v1/projects',
      { ...projectBody('priv'), environment: { privilegedMode: true } },
      {},
      403,
      'PRIVILEGED_NOT_ALLOWED',
    ],
    [
      'a key with blanks',
      'POST',
      '/v1/projects',
      projectBody('key'),
      { 'idempotency-key': 'a b' },
      400,
      'INVALID_INPUT',
    ],
    ['a parameter that climbs', 'PUT', '/v1/parameters/a%2F..%2Fb', { value: 'x' }, {}, 400, 'INVALID_INPUT'],
    ['a parameter that is not there', 'DELETE', '/v1/parameters/none', undefined, {}, 404, 'PARAMETER_NOT_FOUND'],
    [
      'an upload that is no archive',
      'POST',
      '/v1/uploads',
      'hello world',
      { 'content-type': 'application/zip' },
      400,
      'INVALID_INPUT',
    ],
    [
      'an upload that is too large',
      'POST',
      '/v1/uploads',
      'PK\x03\x04' + 'x'.repeat(3000),
      { 'content-type': 'application/zip' },
      413,
      'BODY_TOO_LARGE',
    ],
    ['an upload of JSON', 'POST', '/v1/uploads', {}, {}, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [
      'a retry of nothing',
      'POST',
      '/v1/builds/demo:0f8fad5b-d9cb-469f-a165-70867728950e/retry',
      undefined,
      {},
      404,
      'BUILD_NOT_FOUND',
    ],
  ])('%s', async (_, method, path, body, headers, status, code) => {
    const answer = await api.ask(method, path, body, headers);
    expect([answer.status, (await problemOf(answer)).code]).toEqual([status, code]);
  });

  it('a method, with those that are allowed', async () => {
    expect((await api.ask('PATCH', '/v1/projects', {})).headers.get('allow')).toBe('GET, HEAD, POST');
  });

  it('bytes that are no UTF-8', async () => {
    const answer = await fetch(`${api.url}/v1/projects`, {
      method: 'POST',
      headers: { authorization: 'Bearer kiln_admin_token_of_the_tests', 'content-type': 'application/json' },
      body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
    });
    expect(await problemOf(answer)).toMatchObject({ code: 'MALFORMED_BODY', status: 400 });
  });

  it.each([
    ['no token', {}],
    ['an empty token', { authorization: 'Bearer ' }],
    ['a wrong token', { authorization: 'Bearer kiln_nobody' }],
    ['another scheme', { authorization: 'Basic YWRtaW46YWRtaW4=' }],
    ['a token with more behind it', { authorization: 'Bearer kiln_admin_token_of_the_tests x' }],
  ])('%s', async (_, headers) => {
    for (const path of ['/v1/projects', '/v1/builds/demo:x/log', '/metrics']) {
      const answer = await fetch(`${api.url}${path}`, { headers: headers as Record<string, string> });
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
      expect(await problemOf(answer)).toMatchObject({ code: 'UNAUTHENTICATED', status: 401 });
    }
  });
});

describe('tokens of the database', () => {
  it('open the door under their own name', async () => {
    const { token } = await new TokensStore(api.database).create('ci');
    const headers = { authorization: `Bearer ${token}` };
    await api.ask('POST', '/v1/projects', projectBody('tokened'));
    const build = await (await api.ask('POST', '/v1/projects/tokened/builds', {}, headers)).json();
    expect(build).toMatchObject({ initiator: 'ci' });
  });
});

describe('Idempotency-Key', () => {
  it('gives the first answer again and creates nothing', async () => {
    const headers = { 'idempotency-key': 'one' };
    await api.ask('POST', '/v1/projects', projectBody('idem'));
    const first = await api.ask('POST', '/v1/projects/idem/builds', { sourceVersion: 'a' }, headers);
    const second = await api.ask('POST', '/v1/projects/idem/builds', { sourceVersion: 'a' }, headers);
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.headers.get('idempotent-replayed')).toBe('true');
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    expect(await second.json()).toEqual(await first.json());
    const other = await api.ask('POST', '/v1/projects/idem/builds', { sourceVersion: 'b' }, headers);
    expect(await problemOf(other)).toMatchObject({ code: 'IDEMPOTENCY_MISMATCH', status: 422 });
    const list = (await (await api.ask('GET', '/v1/builds?project=idem')).json()) as { items: unknown[] };
    expect(list.items).toHaveLength(1);
  });

  it('creates one of many at the same time', async () => {
    await api.ask('POST', '/v1/projects', projectBody('race'));
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => api.ask('POST', '/v1/projects/race/builds', {}, { 'idempotency-key': 'r' })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    const made = (await Promise.all(answers.map((answer) => answer.json()))) as { id: string }[];
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    const list = (await (await api.ask('GET', '/v1/builds?project=race')).json()) as { items: unknown[] };
    expect(list.items).toHaveLength(1);
  });

  it('finds the build of a request whose process died before it could answer', async () => {
    const headers = { 'idempotency-key': 'died' };
    await api.ask('POST', '/v1/projects', projectBody('died'));
    const first = (await (await api.ask('POST', '/v1/projects/died/builds', {}, headers)).json()) as { id: string };
    await api.database.query(
      `UPDATE idempotency_key SET response_status = NULL, response_body = NULL WHERE key = 'died'`,
    );
    const again = await api.ask('POST', '/v1/projects/died/builds', {}, headers);
    expect([again.status, await again.json()]).toMatchObject([201, { id: first.id, buildNumber: 1 }]);
    const answered = await api.ask('POST', '/v1/projects/died/builds', {}, headers);
    expect(answered.headers.get('idempotent-replayed')).toBe('true');
  });

  it('is free again when the request was refused', async () => {
    const headers = { 'idempotency-key': 'two' };
    expect((await api.ask('POST', '/v1/projects', { ...projectBody('later'), priority: 1000 }, headers)).status).toBe(
      400,
    );
    expect((await api.ask('POST', '/v1/projects', projectBody('later'), headers)).status).toBe(201);
  });
});

describe('parameters, secrets, uploads', () => {
  it.each(['parameters', 'secrets'])('%s take a value and never give it back', async (kind) => {
    const put = await api.ask('PUT', `/v1/${kind}/app%2Fdb%2Fpassword`, { value: 'hush-hush' });
    const versioned = kind === 'secrets' ? { versionId: expect.stringMatching(/^[0-9a-f-]{36}$/) } : {};
    expect(await put.json()).toEqual({ name: 'app/db/password', version: 1, ...versioned });
    expect(await (await api.ask('PUT', `/v1/${kind}/app/db/password`, { value: 'hush-more' })).json()).toMatchObject({
      version: 2,
    });
    const list = await (await api.ask('GET', `/v1/${kind}`)).text();
    expect(list).toContain('app/db/password');
    expect(list).not.toContain('hush');
    expect((await api.ask('GET', `/v1/${kind}/app/db/password`)).status).toBe(405);
    expect((await api.ask('DELETE', `/v1/${kind}/app/db/password`)).status).toBe(204);
  });

  it('uploads are kept by id', async () => {
    const answer = await api.ask('POST', '/v1/uploads', 'PK\x03\x04 the rest', { 'content-type': 'application/zip' });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({
      format: 'zip',
      sizeBytes: 13,
      location: expect.stringMatching(/^upload:[0-9a-f-]{36}$/),
    });
  });

  it('a buildspec is checked as YAML and as JSON', async () => {
    const spec = 'version: 0.2\nphases:\n  build:\n    commands: [make]\n';
    const yaml = await api.ask('POST', '/v1/buildspec/validate', spec, { 'content-type': 'text/yaml' });
    expect([yaml.status, await yaml.json()]).toMatchObject([
      200,
      { valid: true, warnings: [], plan: { phases: [{ phaseType: 'BUILD', commands: 1, finally: 0 }], batch: null } },
    ]);
    expect((await api.ask('POST', '/v1/buildspec/validate', { buildspec: spec })).status).toBe(200);
    const wrong = { buildspec: 'version: 9\nphases:\n  biuld: {}\n' };
    expect(await problemOf(await api.ask('POST', '/v1/buildspec/validate', wrong))).toMatchObject({
      code: 'BUILDSPEC_INVALID',
      status: 400,
      detail: 'version: expected 0.2 or 0.1, got 9 at line 1, column 10',
      findings: [
        { severity: 'error', field: 'version', line: 1, column: 10 },
        { severity: 'warning', field: 'phases.biuld', line: 3, column: 3, suggestion: 'build' },
      ],
    });
    expect(await problemOf(await api.ask('POST', '/v1/buildspec/validate', { spec }))).toMatchObject({
      code: 'INVALID_INPUT',
    });
  });
});

describe('the schema of buildspecs', () => {
  it('is open to editors, which have no token', async () => {
    const answer = await fetch(`${api.url}/v1/buildspec/schema.json`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'application/schema+json; charset=utf-8',
    ]);
    expect(await answer.json()).toMatchObject({
      $schema: 'http://json-schema.org/draft-07/schema#',
      required: ['version'],
      properties: { phases: { properties: { build: { properties: { commands: {} } } } } },
    });
    expect((await fetch(`${api.url}/v1/buildspec/validate`, { method: 'POST' })).status).toBe(401);
  });
});

describe('the service itself', () => {
  it('tells its health without a token, and names no addresses', async () => {
    const answer = await fetch(`${api.url}/health`);
    const health = (await answer.json()) as { status: string };
    expect(answer.status).toBe(200);
    expect(health).toMatchObject({
      status: 'degraded',
      components: { database: { status: 'ok' }, workers: { status: 'degraded' } },
    });
    expect(JSON.stringify(health)).not.toContain('127.0.0.1');
  });

  it('shows metrics by route and not by name', async () => {
    await api.ask('GET', '/v1/projects/some-name');
    const text = await (await api.ask('GET', '/metrics')).text();
    expect(text).toContain('route="/v1/projects/:name"');
    expect(text).not.toContain('some-name');
    for (const name of [
      'kilnyard_queue_waiting',
      'kilnyard_builds_running',
      'kilnyard_database_up 1',
      'kilnyard_log_readers 0',
    ])
      expect(text).toContain(name);
  });

  it('serves its documentation from its own disk, under a policy that lets nothing else in', async () => {
    const page = await fetch(`${api.url}/docs`);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(await page.text()).not.toMatch(/(src|href)="https?:/);
    for (const file of ['swagger-ui-bundle.js', 'swagger-ui.css', 'start.js'])
      expect([file, (await fetch(`${api.url}/docs/${file}`)).status]).toEqual([file, 200]);
    expect(((await (await fetch(`${api.url}/openapi.json`)).json()) as { openapi: string }).openapi).toBe('3.1.0');
    for (const path of ['/docs/../../package.json', '/docs/%2e%2e/package.json', '/docs/..%2f..%2fpackage.json'])
      expect([path, (await fetch(`${api.url}${path}`)).status]).not.toEqual([path, 200]);
  });

  it('keeps a sane request id and replaces another', async () => {
    expect(
      (await api.ask('GET', '/v1/workers', undefined, { 'x-request-id': 'my-id.1' })).headers.get('x-request-id'),
    ).toBe('my-id.1');
    expect(
      (await api.ask('GET', '/v1/workers', undefined, { 'x-request-id': 'no way' })).headers.get('x-request-id'),
    ).toMatch(/^[0-9a-f-]{36}$/);
    expect((await api.ask('GET', '/v1/workers')).headers.get('x-content-type-options')).toBe('nosniff');
  });
});
