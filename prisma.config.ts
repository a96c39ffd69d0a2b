// Read by the Prisma CLI only (generate). Migrations go through libs/store/src/migrate.ts, which needs no download.
import { defineConfig } from 'prisma/config';

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
});
