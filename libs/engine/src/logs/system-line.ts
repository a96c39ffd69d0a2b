// How Kilnyard's own lines look in a build's log: CodeBuild's form, `[Container] YYYY/MM/DD HH:MM:SS.ffffff text`, UTC (codebuild-contract C8).
import { SYSTEM_PREFIX } from './lines.js';

/** Gives every line of the text the prefix and the time; lines that have the prefix already stay as they are. */
export function systemLines(text: string, at: Date): string {
  const [day, time] = at.toISOString().slice(0, -1).split('T');
  const stamp = `${SYSTEM_PREFIX}${day!.replaceAll('-', '/')} ${time}000 `;
  return text
    .split('\n')
    .map((line) => (line.startsWith(SYSTEM_PREFIX) ? line : stamp + line))
    .join('\n');
}
