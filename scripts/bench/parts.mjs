// The parts of `npm start`, out of dist. Imported late, since dist is built when the benchmark starts.

/** Module of apps/standalone by its file's name. */
export function part(name) {
  return import(`../../dist/apps/standalone/src/${name}.js`);
}
