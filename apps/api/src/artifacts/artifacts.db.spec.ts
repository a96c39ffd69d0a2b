import { Readable } from 'node:stream';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DiskBlobs } from '#blobs/disk-blobs.js';
import type { Lease } from '#core/build.js';
import { newApiUnderTest, type ApiUnderTest } from '../testing/api-under-test.js';

let api: ApiUnderTest;
let blobs: DiskBlobs;
let id: string;
beforeAll(async () => {
  api = await newApiUnderTest();
  blobs = new DiskBlobs({ root: join(api.dataDir, 'blobs') });
  id = await api.startBuild();
  const { lease } = await api.claim();
  await store(lease);
  for (let phase = 0; phase < 8; phase++) await api.builds.apply(lease, 'SUCCEED', [], new Date());
});
afterAll(() => api.close());

/** A zip named to hurt, and a folder that holds a page with a script. */
async function store(lease: Lease): Promise<void> {
  const zip = await blobs.put('artifacts/a/out.zip', Readable.from([Buffer.from('0123456789')]));
  for (const name of ['index.html', 'sub/x.txt'])
    await blobs.put(`artifacts/a/web/${name}`, Readable.from([Buffer.from(`<script>${name}</script>`)]));
  await blobs.put('artifacts/secret.txt', Readable.from([Buffer.from('hush')]));
  const common = { fileCount: 1, sizeBytes: 10, createdAt: new Date() };
  await api.builds.addArtifact(lease, {
    ...common,
    identifier: '',
    name: 'x"\r\nSet-Cookie: a=b',
    packaging: 'ZIP',
    sha256: zip.sha256,
    location: 'artifacts/a/out.zip',
  });
  await api.builds.addArtifact(lease, {
    ...common,
    identifier: 'web',
    name: 'web',
    packaging: 'NONE',
    location: 'artifacts/a/web',
  });
}

describe('artifacts', () => {
  it('are listed with where to get them', async () => {
    const list = (await (await api.ask('GET', `/v1/builds/${id}/artifacts`)).json()) as {
      items: { downloadUrl: string }[];
    };
    expect(list.items).toHaveLength(2);
    for (const { downloadUrl } of list.items) {
      const answer = await api.ask('GET', downloadUrl);
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
    }
  });

  it('come as attachments that no browser runs, whatever they are called', async () => {
    const answer = await api.ask('GET', `/v1/builds/${id}/artifacts/primary`);
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename="x___Set-Cookie_ a=b\.zip"/);
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('content-security-policy')).toContain('sandbox');
    expect(await answer.text()).toBe('0123456789');
    const page = await api.ask('GET', `/v1/builds/${id}/artifacts/web/files/index.html`);
    expect(page.headers.get('content-type')).toBe('application/octet-stream');
    expect(page.headers.get('content-disposition')).toContain('attachment');
    await page.arrayBuffer();
  });

  it('come in parts', async () => {
    const part = await api.ask('GET', `/v1/builds/${id}/artifacts/primary`, undefined, { range: 'bytes=2-4' });
    expect([part.status, await part.text()]).toEqual([206, '234']);
  });

  it('of a folder are listed, fetched one by one, and zipped', async () => {
    const files = (await (await api.ask('GET', `/v1/builds/${id}/artifacts/web/files`)).json()) as {
      items: { path: string; downloadUrl: string }[];
    };
    expect(files.items.map(({ path }) => path)).toEqual(['index.html', 'sub/x.txt']);
    expect(await (await api.ask('GET', files.items[1]?.downloadUrl ?? '')).text()).toBe('<script>sub/x.txt</script>');
    const zip = Buffer.from(await (await api.ask('GET', `/v1/builds/${id}/artifacts/web?format=zip`)).arrayBuffer());
    expect(zip.subarray(0, 4).toString('latin1')).toBe('PK\x03\x04');
    expect(zip.includes('sub/x.txt')).toBe(true);
    expect((await api.ask('GET', `/v1/builds/${id}/artifacts/web`)).status).toBe(400);
  });

  it.each([
    '..%2f..%2fsecret.txt',
    '%2e%2e/%2e%2e/secret.txt',
    '..%5c..%5csecret.txt',
    '%2fetc%2fpasswd',
    'a%00b',
    'index.html%2f..%2f..%2fsecret.txt',
    'nothing.txt',
    'a%2f%2fb',
    'x'.repeat(2000),
  ])('never leave their folder: %s', async (path) => {
    const answer = await api.ask('GET', `/v1/builds/${id}/artifacts/web/files/${path}`);
    expect(answer.status).toBe(404);
    expect(await answer.text()).not.toContain('hush');
  });

  it('go with their build', async () => {
    expect((await api.ask('DELETE', `/v1/builds/${id}`)).status).toBe(204);
    expect(await blobs.stat('artifacts/a/out.zip')).toBeNull();
    expect(await blobs.stat('artifacts/a/web/index.html')).toBeNull();
    expect(await blobs.stat('artifacts/secret.txt')).not.toBeNull();
  });
});
