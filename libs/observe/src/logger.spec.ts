import { describe, expect, it } from '@jest/globals';
import { withContext } from './context.js';
import { createLogger } from './logger.js';

function recorder() {
  const lines: Record<string, unknown>[] = [];
  return { lines, write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
}

describe('the logger', () => {
  it('writes one JSON line with the fixed keys of the context', async () => {
    const to = recorder();
    const logger = createLogger({ level: 'info', name: 'test', to });
    await withContext({ requestId: 'r1' }, async () => {
      await Promise.resolve();
      withContext({ buildId: 'b1' }, () => logger.info('claimed', { slot: 2 }));
    });
    logger.info('outside');
    expect(to.lines[0]).toMatchObject({
      level: 'info',
      name: 'test',
      message: 'claimed',
      requestId: 'r1',
      buildId: 'b1',
      slot: 2,
    });
    expect(to.lines[0]?.['time']).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(to.lines[1]).not.toHaveProperty('requestId');
  });

  it.each([
    ['a token at the top', { token: 'hush' }],
    ['a header one level down', { headers: { authorization: 'Bearer hush' } }],
    ['a password two levels down', { a: { b: { password: 'hush' } } }],
    ['credentials in an error text', { error: new Error('cannot reach postgres://user:hush@db/x') }],
  ])('never writes %s', (_, fields) => {
    const to = recorder();
    createLogger({ level: 'info', name: 'test', to }).info('said', fields);
    expect(to.lines).toHaveLength(1);
    expect(JSON.stringify(to.lines)).not.toContain('hush');
  });

  it('keeps below its level silent and follows causes', () => {
    const to = recorder();
    const logger = createLogger({ level: 'warn', name: 'test', to });
    logger.info('not this');
    logger.error('this', { error: new Error('outer', { cause: new Error('inner') }) });
    expect(to.lines).toHaveLength(1);
    expect(to.lines[0]).toMatchObject({ error: { message: 'outer', cause: { message: 'inner' } } });
  });
});
