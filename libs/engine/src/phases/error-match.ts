// Does the message of a failure match a pattern that strangers wrote? Called by commands.ts.
import { createContext, Script } from 'node:vm';
import { errorPattern } from '#buildspec/error-pattern.js';

/** For one match. JavaScript's engine has patterns that take for ever; this worker has other builds to look after. */
const MATCH_MS = 100;
/** Of a message, from its beginning: commands may be long, and its end (`Reason: …`) counts as much, so that is kept too. */
const MAX_MATCHED = 32_768;

const MATCH = new Script('new RegExp(source, flags).test(message)');

/**
 * Searched for anywhere in the message. Out: null when it could not be told: no pattern, or one that took longer than MATCH_MS.
 * Blocks for that long at most.
 */
export function matchesError(pattern: string, message: string): boolean | null {
  const read = errorPattern(pattern);
  if (read === null) return null;
  const half = MAX_MATCHED / 2;
  const text = message.length <= MAX_MATCHED ? message : message.slice(0, half) + message.slice(-half);
  try {
    return MATCH.runInContext(createContext({ ...read, message: text }), { timeout: MATCH_MS }) as boolean;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return null;
    throw error;
  }
}
