import { describe, expect, it } from '@jest/globals';
import { formatEvent, formatRetry } from './sse.js';

describe('server-sent events', () => {
  it('keep their data on one line, whatever the text holds', () => {
    const text = formatEvent({ event: 'lines', id: '7', data: { lines: [{ text: 'a\nb\r\ndata: x\u2028' }] } });
    expect(text.split('\n')).toHaveLength(5);
    expect(text).toMatch(/^event: lines\nid: 7\ndata: \{[^\n]*\}\n\n$/);
  });

  it('leave the position alone without an id', () => {
    expect(formatEvent({ event: 'status', data: {} })).toBe('event: status\ndata: {}\n\n');
    expect(formatRetry(2000)).toBe('retry: 2000\n\n');
  });
});
