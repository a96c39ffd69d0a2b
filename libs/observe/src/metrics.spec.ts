import { describe, expect, it } from '@jest/globals';
import { Metrics } from './metrics.js';

describe('metrics', () => {
  it('collects gauges when asked', async () => {
    const metrics = new Metrics();
    let waiting = 0;
    metrics.gauge({ name: 'kilnyard_queue_waiting', help: 'Builds that wait.' }, (gauge) => gauge.set(waiting));
    waiting = 7;
    expect(await metrics.text()).toContain('kilnyard_queue_waiting 7');
  });

  it.each(['http_seconds', 'kilnyard_Camel', 'kilnyard_', 'kilnyard__x'])('refuses the name %s', (name) => {
    expect(() => new Metrics().counter({ name, help: 'x' })).toThrow('kilnyard_*');
  });
});
