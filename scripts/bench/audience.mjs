// Many readers of one live log in a process of their own: `node audience.mjs URL BUILD COUNT`. Says `connected` when all of them read.
import { Client } from './client.mjs';

const [url, id, count] = process.argv.slice(2);
const client = new Client(url, process.env.KILNYARD_BENCH_TOKEN);
for (let reader = 0; reader < Number(count); reader += 50) {
  const some = Math.min(50, Number(count) - reader);
  await Promise.all(Array.from({ length: some }, () => client.listen(id)));
}
process.stdout.write('connected\n');
