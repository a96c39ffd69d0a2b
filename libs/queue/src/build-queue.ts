// The queue's names and what lies in it: ids, never the truth (docs/decisions/0001). Shared by producer and consumer.
import { z } from 'zod';

const BUILD_QUEUE = 'builds';

/** One queue for each fleet and one for the common pool (''): an item is a turn, and a turn is lost on a worker of another fleet. */
export function queueOf(fleet: string): string {
  return fleet === '' ? BUILD_QUEUE : `${BUILD_QUEUE}-${fleet}`;
}

/** One queue item: "look for a build to start, this one perhaps". */
export const buildItem = z.object({ buildId: z.uuid() });
export type BuildItem = z.infer<typeof buildItem>;

/** A build's own item, and one that belongs to no build. */
export const ITEM_NAMES = { build: 'build', wake: 'wake' } as const;

/** How long a call waits for Redis. */
export const QUEUE_TIMEOUT_MS = 2_000;
