// What an image of CodeBuild's own offers for `runtime-versions`: its file runtimes.yml, and the commands that a choice of it takes
// (codebuild-contract C4). Pure; the file comes out of an image that anyone may have made, so it is read like a buildspec.
import { PhaseFailure } from '#core/errors.js';
import { excerpt, Findings } from './findings.js';
import { readYaml, type YamlMap, type YamlNode } from './yaml-tree.js';

/** Where such an image keeps the file. */
export const RUNTIMES_FOLDER = '/codebuild/image/config';
export const RUNTIMES_FILE = 'runtimes.yml';

interface Version {
  commands: string[];
  /** Runtimes that it needs, each in one of these versions. */
  requires: { name: string; versions: string[] }[];
}

/** Runtimes by name, their versions by name; `default` installs any other version. */
export type RuntimeCatalogue = ReadonlyMap<string, ReadonlyMap<string, Version>>;

export interface RuntimeChoice {
  name: string;
  /** As the catalogue spells it; what the buildspec asks for where `default` installs it. */
  version: string;
  commands: string[];
}

/** Goes into the catalogue's commands as it is. */
const VERSION_TEXT = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
/** Newer images of CodeBuild take it and do nothing. */
const IGNORED = 'docker';

/** Errors: Refusal BUILDSPEC_INVALID for a text that is no YAML. What has another form than expected in it is passed over. */
export function readRuntimes(text: string): RuntimeCatalogue {
  const runtimes = entries(child(readYaml(text, new Findings()), 'runtimes'));
  return new Map(
    runtimes.map(([name, runtime]) => [
      name,
      new Map(entries(child(runtime, 'versions')).map(([version, node]) => [version, readVersion(node)])),
    ]),
  );
}

function readVersion(node: YamlNode): Version {
  const requires = entries(child(node, 'requires')).map(([name, versions]) => ({ name, versions: texts(versions) }));
  return { commands: texts(child(node, 'commands')), requires };
}

/**
 * The versions that a buildspec asks for, in its order.
 * In: `variables` for versions written as `$NAME`. A version is one of the catalogue, `N.x` or `latest` (the highest that fits), or any
 * other where the catalogue has a `default`.
 * Errors: PhaseFailure YAML_FILE_ERROR for what the image does not have, and for runtimes that do not go together.
 */
export function chooseRuntimes(
  catalogue: RuntimeCatalogue,
  wanted: readonly { name: string; version: string }[],
  variables: ReadonlyMap<string, string>,
): RuntimeChoice[] {
  const chosen = wanted
    .filter(({ name }) => name !== IGNORED || catalogue.has(name))
    .map(({ name, version }) => ({ name, ...choose(catalogue, name, resolved(name, version, variables)) }));
  for (const { name, version, requires } of chosen) {
    for (const need of requires) {
      const other = chosen.find((one) => one.name === need.name);
      if (other !== undefined && need.versions.includes(other.version)) continue;
      const got = other === undefined ? 'none is selected' : `${other.version} is selected`;
      throw wrong(`The runtime ${name} ${version} needs ${need.name} ${need.versions.join(' or ')}; ${got}`);
    }
  }
  return chosen.map(({ name, version, commands }) => ({ name, version, commands }));
}

function resolved(name: string, version: string, variables: ReadonlyMap<string, string>): string {
  const variable = /^\$(?:(\w+)|\{(\w+)\})$/.exec(version);
  const text = variable === null ? version : (variables.get(variable[1] ?? variable[2] ?? '') ?? '');
  if (VERSION_TEXT.test(text)) return text;
  throw wrong(`The version of the runtime ${name} must be a version; it is ${excerpt(text) || 'empty'} (${version})`);
}

function choose(catalogue: RuntimeCatalogue, name: string, wanted: string): Version & { version: string } {
  const versions = catalogue.get(name);
  if (versions === undefined) {
    const known = [...catalogue.keys()].join(', ');
    throw wrong(`Unknown runtime named '${excerpt(name)}'. This build image has the following runtimes: ${known}`);
  }
  const names = [...versions.keys()].filter((one) => one !== 'default');
  const major = /^(.+)\.x$/.exec(wanted)?.[1];
  const fitting = names.filter(
    (one) => wanted === 'latest' || one === major || (major !== undefined && one.startsWith(`${major}.`)),
  );
  const version = names.includes(wanted) ? wanted : fitting.sort(byNumbers).at(-1);
  if (version !== undefined) return { ...versions.get(version)!, version };
  const custom = wanted === 'latest' ? undefined : versions.get('default');
  if (custom === undefined) {
    const known = names.join(', ');
    throw wrong(
      `Unknown runtime version named '${wanted}' of ${name}. This build image has the following versions: ${known}`,
    );
  }
  const asked = major ?? wanted;
  return { ...custom, version: asked, commands: custom.commands.map((text) => withVersion(text, asked)) };
}

/** Filled in rather than exported, so that no command of the user's sees a VERSION. */
function withVersion(command: string, version: string): string {
  return command.replace(/\$(?:VERSION\b|\{VERSION\})/g, version);
}

/** By the numbers in them: 3.9 before 3.10, corretto8 before corretto11. */
function byNumbers(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => (text.match(/\d+/g) ?? []).map(Number));
  for (let index = 0; index < Math.max(left!.length, right!.length); index += 1) {
    const difference = (left![index] ?? 0) - (right![index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function wrong(message: string): PhaseFailure {
  return new PhaseFailure('YAML_FILE_ERROR', message);
}

function child(node: YamlNode | undefined, key: string): YamlNode | undefined {
  return node?.kind === 'map' ? node.entries.get(key)?.value : undefined;
}

function entries(node: YamlNode | undefined): [string, YamlNode][] {
  const map: YamlMap['entries'] = node?.kind === 'map' ? node.entries : new Map();
  return [...map].map(([key, { value }]) => [key, value]);
}

function texts(node: YamlNode | undefined): string[] {
  if (node?.kind === 'text') return [node.text];
  return node?.kind === 'list' ? node.items.flatMap((item) => (item.kind === 'text' ? [item.text] : [])) : [];
}
