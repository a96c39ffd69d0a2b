// Reads a file of variables as `docker run --env-file` and CodeBuild's local agent do. Pure.
import { UsageError } from '../command.js';

export const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * In: lines `NAME=value`; the value is all that follows, quotes and `#` with it. `NAME` alone takes the value that `env` has, and is left
 * out where it has none. Blank lines and those that begin with `#` are passed over.
 * Out: in the order of the lines. Errors: UsageError that names the line, never a value.
 */
export function parseEnvFile(
  file: string,
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): [name: string, value: string][] {
  const lines = (text.startsWith('\uFEFF') ? text.slice(1) : text).split(/\r?\n/);
  return lines.flatMap((line, index) => {
    const written = line.trimStart();
    if (written === '' || written.startsWith('#')) return [];
    const at = written.indexOf('=');
    const name = at < 0 ? written.trimEnd() : written.slice(0, at);
    if (!VARIABLE_NAME.test(name)) throw new UsageError(`${file}:${index + 1}: expected NAME=value or a NAME`);
    const value = at < 0 ? env[name] : written.slice(at + 1);
    return value === undefined ? [] : [[name, value]];
  });
}
