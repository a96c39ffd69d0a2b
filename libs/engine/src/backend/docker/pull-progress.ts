// What a pull has done so far, out of the engine's messages. Pure.

export interface PullMessage {
  id?: unknown;
  status?: unknown;
  error?: unknown;
  progressDetail?: unknown;
}

interface Layer {
  done: boolean;
  current: number;
  total: number;
}

export class PullProgress {
  private readonly layers = new Map<string, Layer>();

  hear({ id, status, progressDetail }: PullMessage): void {
    // the first message carries the tag as its id
    if (typeof id !== 'string' || typeof status !== 'string' || status.startsWith('Pulling from')) return;
    const layer = this.layers.get(id) ?? { done: false, current: 0, total: 0 };
    this.layers.set(id, layer);
    if (status === 'Pull complete' || status === 'Already exists') layer.done = true;
    const { current, total } = (progressDetail ?? {}) as { current?: unknown; total?: unknown };
    if (status === 'Downloading') {
      if (typeof current === 'number') layer.current = current;
      if (typeof total === 'number') layer.total = total;
    } else if (status !== 'Waiting' && status !== 'Pulling fs layer' && layer.total > 0) layer.current = layer.total;
  }

  /** Bytes that came over the network; of layers that the engine has already none are counted. */
  get bytes(): number {
    return [...this.layers.values()].reduce((sum, { current }) => sum + current, 0);
  }

  /** `3 of 7 layers, 12.5 of 80.0 MB`; the second figure grows as layers begin. */
  toString(): string {
    const all = [...this.layers.values()];
    if (all.length === 0) return 'asking the registry';
    const total = all.reduce((sum, layer) => sum + layer.total, 0);
    const layers = `${all.filter(({ done }) => done).length} of ${all.length} layers`;
    return total === 0 ? layers : `${layers}, ${megabytes(this.bytes)} of ${megabytes(total)} MB`;
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
