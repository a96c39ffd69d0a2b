// What was fetched and may be wanted again soon: the latest used, within a bound of bytes. Those who ask for the same at once share the fetch.

interface Kept<T> {
  value: Promise<T>;
  /** 0 while it is on its way. */
  bytes: number;
}

export class BoundedCache<T> {
  /** In the order of use. */
  private readonly kept = new Map<string, Kept<T>>();
  private total = 0;

  /** In: what a value takes of the bound, in bytes, at least 1. */
  constructor(
    private readonly maxBytes: number,
    private readonly bytesOf: (value: T) => number,
  ) {}

  get usedBytes(): number {
    return this.total;
  }

  /** Whether `get` would answer without loading. */
  has(key: string): boolean {
    return this.kept.has(key);
  }

  /** What `load` gave for this key, now or before; it must give the same each time. Errors: those of `load`, which are not kept. */
  get(key: string, load: () => Promise<T>): Promise<T> {
    const there = this.kept.get(key);
    if (there !== undefined) {
      this.kept.delete(key);
      this.kept.set(key, there);
      return there.value;
    }
    const kept: Kept<T> = { value: load(), bytes: 0 };
    this.kept.set(key, kept);
    kept.value.then(
      (value) => this.arrived(key, kept, this.bytesOf(value)),
      () => this.forget(key, kept), // those who wait for it hear of the error
    );
    return kept.value;
  }

  private arrived(key: string, kept: Kept<T>, bytes: number): void {
    if (this.kept.get(key) !== kept) return;
    kept.bytes = bytes;
    this.total += bytes;
    for (const [oldest, one] of this.kept) {
      if (this.total <= this.maxBytes) break;
      if (one.bytes > 0) this.forget(oldest, one);
    }
  }

  private forget(key: string, kept: Kept<T>): void {
    if (this.kept.get(key) !== kept) return;
    this.kept.delete(key);
    this.total -= kept.bytes;
  }
}
