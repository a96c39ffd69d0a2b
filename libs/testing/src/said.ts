// What a build's commands said, out of its log: without Kilnyard's own lines.
import { parseBuildspec } from '#buildspec/parse.js';

/** Where the script names a command; the lines of one of several lines look like output there. */
const BEFORE_TEXT = ['Running command ', 'not exit successfully ', 'executing command: '];

/** In: the lines of the log; the buildspec that was run. Out: the lines of its commands' output. */
export function saidBy(lines: readonly { text: string }[], buildspec: string): string[] {
  const { phases } = parseBuildspec(buildspec).buildspec;
  const commands = Object.values(phases).flatMap((phase) => [...phase.commands, ...phase.finally]);
  let text = lines.map((line) => `${line.text}\n`).join('');
  for (const command of commands.filter((one) => one.includes('\n')))
    for (const before of BEFORE_TEXT) text = text.replaceAll(before + command, before);
  return text.split('\n').filter((line, at, all) => !line.startsWith('[Container] ') && at < all.length - 1);
}
